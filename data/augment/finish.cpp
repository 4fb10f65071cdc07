#include "mec/data/augment/finish.h"

#include <algorithm>

#include "mec/tensor/error.h"

namespace mec {

void finish_view(const Planes& image, const Normalization& normalization, const FinishArgs& args, std::span<float> out) {
  const auto channels = static_cast<std::size_t>(image.channels());
  const auto stride = static_cast<std::size_t>(args.image_channels);
  const auto width = static_cast<std::size_t>(image.size().width);
  const auto height = static_cast<std::size_t>(image.size().height);
  validate(normalization, image.channels());
  check<ShapeError>(args.image_channels >= image.channels() && out.size() == width * height * stride,
                    "finish_view: ", out.size(), " values for a view of ", width, "x", height, "x", args.image_channels,
                    " channels made from ", channels);
  if (stride > channels) std::fill(out.begin(), out.end(), 0.0F);
  for (std::size_t c = 0; c < channels; ++c) {
    const auto [scale, shift] = pixel_scale(normalization, static_cast<int>(c));
    const float* plane = image.plane(static_cast<int>(c)).data();
    for (std::size_t y = 0; y < height; ++y) {
      const float* from = plane + y * width;
      float* to = &out[y * width * stride + c];
      if (args.flip) {
        for (std::size_t x = 0; x < width; ++x) to[x * stride] = from[width - 1 - x] * scale + shift;
      } else {
        for (std::size_t x = 0; x < width; ++x) to[x * stride] = from[x] * scale + shift;
      }
    }
  }
}

}  // namespace mec
