#include "mec/data/augment/blur.h"
#include "mec/data/augment/color.h"
#include "mec/data/augment/finish.h"
#include "mec/data/augment/view.h"

namespace mec {
namespace {

void apply_jitter(Planes& image, const ViewParams& params) {
  for (const Jitter which : params.jitter_order) {
    const float value = params.jitter[static_cast<std::size_t>(which)];
    switch (which) {
      case Jitter::brightness:
        if (value != 1.0F) adjust_brightness(image, value);
        break;
      case Jitter::contrast:
        if (value != 1.0F) adjust_contrast(image, value);
        break;
      case Jitter::saturation:
        if (value != 1.0F) adjust_saturation(image, value);
        break;
      case Jitter::hue:
        if (value != 0.0F) adjust_hue(image, value);
        break;
    }
  }
}

}  // namespace

void apply_view(const Image& image, const ViewParams& params, ImageSize size, const Normalization& normalization,
                std::int64_t image_channels, std::span<float> out) {
  const CropBox window{.top = params.window_top, .left = params.window_left, .height = size.height, .width = size.width};
  Planes planes = resized_crop(image, params.crop, {.width = params.to_width, .height = params.to_height}, window);
  apply_jitter(planes, params);
  if (params.gray) to_gray(planes);
  if (params.blur_sigma > 0.0F) gaussian_blur(planes, params.blur_sigma, 2 * params.blur_radius + 1);
  if (params.solarize) solarize(planes, params.solarize_threshold);
  finish_view(planes, normalization, {.flip = params.flip, .image_channels = image_channels}, out);
}

}  // namespace mec
