#include "mec/data/normalization.h"

#include <cmath>
#include <numeric>

#include "mec/tensor/error.h"

namespace mec {
namespace {

std::vector<float> spread(const std::vector<float>& values, std::size_t channels) {
  if (values.size() == channels) return values;
  const float mean = std::accumulate(values.begin(), values.end(), 0.0F) / static_cast<float>(values.size());
  return std::vector<float>(channels, mean);
}

}  // namespace

Normalization Normalization::for_channels(int channels) const {
  check<ValueError>(channels == 1 || channels == 3, "normalization: images have 1 or 3 channels, not ", channels);
  check<ValueError>((mean.size() == 1 || mean.size() == 3) && std.size() == mean.size(), "normalization: ", mean.size(),
                    " means and ", std.size(), " deviations; give 1 or 3 of both");
  const auto count = static_cast<std::size_t>(channels);
  return {spread(mean, count), spread(std, count)};
}

PixelScale pixel_scale(const Normalization& normalization, int channel) {
  const auto c = static_cast<std::size_t>(channel);
  return {.scale = 1.0F / (255.0F * normalization.std[c]), .shift = -normalization.mean[c] / normalization.std[c]};
}

void validate(const Normalization& normalization, int channels) {
  const auto count = static_cast<std::size_t>(channels);
  check<ValueError>(normalization.mean.size() == count && normalization.std.size() == count,
                    "normalization: ", normalization.mean.size(), " means and ", normalization.std.size(),
                    " deviations for images of ", channels, " channels");
  for (std::size_t c = 0; c < count; ++c) {
    check<ValueError>(
        std::isfinite(normalization.mean[c]) && std::isfinite(normalization.std[c]) && normalization.std[c] > 0.0F,
        "normalization: mean ", normalization.mean[c], " and deviation ", normalization.std[c], " of channel ", c,
        "; means are finite and deviations positive");
  }
}

}  // namespace mec
