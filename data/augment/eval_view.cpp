#include "mec/data/augment/eval_view.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "mec/data/augment/view.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

void check_size(std::int64_t size) {
  check<ValueError>(size > 0 && size <= kMaxViewSize, "eval view: its size is between 1 and ",
                    kMaxViewSize, " pixels on a side, but is ", size);
}

}  // namespace

EvalViewSettings EvalViewSettings::for_images(ImageSize image, std::int64_t pixels) {
  check_size(pixels);
  const int size = static_cast<int>(pixels);
  const bool as_they_are = image == ImageSize{size, size};
  return {.size = size, .resize = as_they_are ? size : (size * 8 + 3) / 7};
}

void validate(const EvalViewSettings& settings) {
  check_size(settings.size);
  check<ValueError>(settings.size <= settings.resize, "eval view: the crop of ", settings.size,
                    " is cut from a shorter side of ", settings.resize,
                    ", which must not be smaller");
}

ViewParams eval_view(const EvalViewSettings& settings, ImageSize image) {
  const std::int64_t shorter = std::min(image.width, image.height);
  check<ValueError>(shorter > 0, "eval view: the image of ", image.width, "x", image.height, " has no pixels");
  // As in torchvision, the longer side is truncated to a whole number, and the crop's corner is
  // rounded half to even.
  const auto scaled = [&](int side) {
    const std::int64_t length = std::int64_t{side} * settings.resize / shorter;
    check<ValueError>(length <= std::numeric_limits<std::int32_t>::max(), "eval view: an image of ",
                      image.width, "x", image.height, " with its shorter side resized to ",
                      settings.resize, " is ", length, " pixels long");
    return static_cast<std::int32_t>(length);
  };
  const auto corner = [&](int side) { return static_cast<std::int32_t>(std::nearbyint((side - settings.size) / 2.0)); };
  ViewParams params;
  params.crop = {.top = 0, .left = 0, .height = image.height, .width = image.width};
  params.to_height = scaled(image.height);
  params.to_width = scaled(image.width);
  params.window_top = corner(params.to_height);
  params.window_left = corner(params.to_width);
  return params;
}

void apply_eval_view(const Image& image, const EvalViewSettings& settings, const Normalization& normalization,
                     std::int64_t image_channels, std::span<float> out) {
  validate(settings);
  apply_view(image, eval_view(settings, image.size()), {settings.size, settings.size}, normalization, image_channels, out);
}

}  // namespace mec
