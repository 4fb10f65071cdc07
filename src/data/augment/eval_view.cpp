#include "mec/data/augment/eval_view.h"

#include <algorithm>
#include <cmath>

#include "mec/data/augment/view.h"
#include "mec/tensor/error.h"

namespace mec {
EvalViewSettings EvalViewSettings::for_images(ImageSize image, int size) {
  const bool as_they_are = image == ImageSize{size, size};
  return {.size = size, .resize = as_they_are ? size : (size * 8 + 3) / 7};
}

void validate(const EvalViewSettings& settings) {
  check<ValueError>(settings.size > 0 && settings.size <= settings.resize, "eval view: the crop of ", settings.size,
                    " is cut from a shorter side of ", settings.resize, ", which must not be smaller");
}

ViewParams eval_view(const EvalViewSettings& settings, ImageSize image) {
  const std::int64_t shorter = std::min(image.width, image.height);
  check<ValueError>(shorter > 0, "eval view: the image of ", image.width, "x", image.height, " has no pixels");
  // As in torchvision, the longer side is cut to a whole number, and the crop's corner rounded half to even.
  const auto scaled = [&](int side) { return static_cast<std::int32_t>(std::int64_t{side} * settings.resize / shorter); };
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
