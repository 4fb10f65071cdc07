#include "mec/data/augment/eval_view.h"

#include <algorithm>
#include <cmath>

#include "mec/data/augment/finish.h"
#include "mec/data/augment/resize.h"
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

void apply_eval_view(const Image& image, const EvalViewSettings& settings, const Normalization& normalization,
                     std::int64_t image_channels, std::span<float> out) {
  validate(settings);
  const std::int64_t shorter = std::min(image.width, image.height);
  check<ValueError>(shorter > 0, "eval view: the image of ", image.width, "x", image.height, " has no pixels");
  // As in torchvision, the longer side is cut to a whole number, and the crop's corner rounded half to even.
  const auto scaled = [&](int side) { return static_cast<int>(std::int64_t{side} * settings.resize / shorter); };
  const auto corner = [&](int side) { return static_cast<std::int32_t>(std::nearbyint((side - settings.size) / 2.0)); };
  const ImageSize size{scaled(image.width), scaled(image.height)};
  const CropBox whole{.top = 0, .left = 0, .height = image.height, .width = image.width};
  const CropBox center{.top = corner(size.height), .left = corner(size.width), .height = settings.size, .width = settings.size};
  const Planes planes = resized_crop(image, whole, size, center);
  finish_view(planes, normalization, {.flip = false, .image_channels = image_channels}, out);
}

}  // namespace mec
