#include "mec/data/augment/view_image.h"

#include <algorithm>
#include <cmath>

namespace mec {

Normalization no_normalization(int channels) {
  const auto count = static_cast<std::size_t>(channels);
  return {.mean = std::vector<float>(count, 0.0F), .std = std::vector<float>(count, 1.0F)};
}

Image view_image(const Image& image, const Transform& views, const ViewKey& key) {
  const ImageSize size = views.size(static_cast<int>(key.view));
  std::vector<float> values(static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height) *
                            static_cast<std::size_t>(image.channels));
  views.apply(image, key, image.channels, values);
  Image view{.width = size.width, .height = size.height, .channels = image.channels, .pixels = {}};
  view.pixels.reserve(values.size());
  for (const float value : values)
    view.pixels.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 1.0F) * 255)));
  return view;
}

Image thumbnail(const Image& image, int side) {
  const int size = std::min({side, image.width, image.height});
  return view_image(image, *make_eval_transform({.size = size, .resize = size}, no_normalization(image.channels)), {});
}

}  // namespace mec
