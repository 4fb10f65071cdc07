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

Normalization normalization_preset(const std::string& name) {
  if (name == "mnist") return {{0.1307F}, {0.3081F}};
  if (name == "fashion-mnist") return {{0.2860F}, {0.3530F}};
  if (name == "cifar10") return {{0.4914F, 0.4822F, 0.4465F}, {0.2470F, 0.2435F, 0.2616F}};
  if (name == "cifar100") return {{0.5071F, 0.4865F, 0.4409F}, {0.2673F, 0.2564F, 0.2762F}};
  if (name == "imagenet") return {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};
  throw ValueError(
      concat("no normalization preset is named '", name, "'; there are mnist, fashion-mnist, cifar10, cifar100 and imagenet"));
}

}  // namespace mec
