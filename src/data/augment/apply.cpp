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

void apply_view(const Image& image, const ViewParams& params, const ViewSettings& settings, const Normalization& normalization,
                std::int64_t image_channels, std::span<float> out) {
  Planes planes = resized_crop(image, params.crop, {settings.size, settings.size});
  apply_jitter(planes, params);
  if (params.gray) to_gray(planes);
  if (params.blur_sigma > 0.0F) gaussian_blur(planes, params.blur_sigma, settings.blur_kernel);
  if (params.solarize) solarize(planes, settings.solarize_threshold);
  finish_view(planes, normalization, {.flip = params.flip, .image_channels = image_channels}, out);
}

}  // namespace mec
