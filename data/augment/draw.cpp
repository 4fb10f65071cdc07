#include <algorithm>
#include <cmath>
#include <utility>

#include "mec/data/augment/blur.h"
#include "mec/data/augment/view.h"
#include "mec/tensor/error.h"
#include "mec/tensor/philox.h"

namespace mec {
namespace {

RandomStream stream(const ViewKey& key, Purpose purpose) { return {key.seed, key.sample, key.epoch, purpose, key.view}; }

// Half to even, as Python rounds.
std::int32_t round_even(double x) { return static_cast<std::int32_t>(std::nearbyint(x)); }

CropBox draw_crop(const ViewSettings& s, ImageSize size, RandomStream random) {
  const double area = static_cast<double>(size.width) * size.height;
  const float log_min = std::log(s.ratio_min);
  const float log_max = std::log(s.ratio_max);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(s.scale_min, s.scale_max);
    const double ratio = std::exp(static_cast<double>(random.uniform(log_min, log_max)));
    const std::int32_t width = round_even(std::sqrt(target * ratio));
    const std::int32_t height = round_even(std::sqrt(target / ratio));
    const bool fits = width > 0 && width <= size.width && height > 0 && height <= size.height;
    if (!fits) continue;
    const auto top = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(size.height - height) + 1));
    const auto left = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(size.width - width) + 1));
    return {.top = top, .left = left, .height = height, .width = width};
  }
  // The largest centred crop whose ratio is allowed.
  const double ratio = static_cast<double>(size.width) / size.height;
  CropBox crop{.top = 0, .left = 0, .height = size.height, .width = size.width};
  if (ratio < s.ratio_min) crop.height = std::max(1, round_even(size.width / static_cast<double>(s.ratio_min)));
  if (ratio > s.ratio_max) crop.width = std::max(1, round_even(size.height * static_cast<double>(s.ratio_max)));
  crop.top = (size.height - crop.height) / 2;
  crop.left = (size.width - crop.width) / 2;
  return crop;
}

void draw_jitter(const ViewSettings& s, RandomStream random, ViewParams& params) {
  if (!random.bernoulli(s.jitter_probability)) return;
  for (std::size_t i = params.jitter_order.size() - 1; i > 0; --i) {
    std::swap(params.jitter_order[i], params.jitter_order[random.below(i + 1)]);
  }
  const auto factor = [&](float strength) { return random.uniform(std::max(0.0F, 1.0F - strength), 1.0F + strength); };
  params.jitter[0] = factor(s.brightness);
  params.jitter[1] = factor(s.contrast);
  params.jitter[2] = factor(s.saturation);
  params.jitter[3] = random.uniform(-s.hue, s.hue);
}

void check_probability(float p, const char* name) {
  check<ValueError>(p >= 0.0F && p <= 1.0F, "augment: ", name, " is a probability in [0, 1], but it is ", p);
}

void check_range(float low, float high, float above, const char* name) {
  check<ValueError>(low > above && low <= high && std::isfinite(high), "augment: ", name, "_min and ", name,
                    "_max are ordered and above ", above, ", but they are ", low, " and ", high);
}

}  // namespace

ViewSettings official_second_view() {
  ViewSettings settings;
  settings.blur_probability = 0.1F;
  settings.solarize_probability = 0.2F;
  return settings;
}

void validate(const ViewSettings& s) {
  check<ValueError>(s.size > 0 && s.size <= kMaxViewSize, "augment: size is between 1 and ",
                    kMaxViewSize, ", but it is ", s.size);
  check_range(s.scale_min, s.scale_max, 0.0F, "scale");
  check<ValueError>(s.scale_max <= 1.0F, "augment: scale_max is a part of the area, at most 1, but it is ", s.scale_max);
  check_range(s.ratio_min, s.ratio_max, 0.0F, "ratio");
  check_range(s.blur_sigma_min, s.blur_sigma_max, 0.0F, "blur_sigma");
  check<ValueError>(s.blur_kernel == 0 || (s.blur_kernel > 0 && s.blur_kernel % 2 == 1 && s.blur_kernel / 2 < s.size),
                    "augment: blur_kernel is odd (or 0) and half of it smaller than size ", s.size, ", but it is ",
                    s.blur_kernel);
  const std::pair<float, const char*> strengths[] = {
      {s.brightness, "brightness"}, {s.contrast, "contrast"}, {s.saturation, "saturation"}, {s.hue, "hue"}};
  for (const auto& [strength, name] : strengths) {
    check<ValueError>(strength >= 0.0F && std::isfinite(strength), "augment: ", name, " is not negative, but it is ", strength);
  }
  check<ValueError>(s.hue <= 0.5F, "augment: hue is at most 0.5 of a turn, but it is ", s.hue);
  check<ValueError>(std::isfinite(s.solarize_threshold), "augment: solarize_threshold is finite, but it is ",
                    s.solarize_threshold);
  check_probability(s.jitter_probability, "jitter_probability");
  check_probability(s.gray_probability, "gray_probability");
  check_probability(s.blur_probability, "blur_probability");
  check_probability(s.solarize_probability, "solarize_probability");
  check_probability(s.flip_probability, "flip_probability");
}

ViewParams draw_view(const ViewSettings& settings, ImageSize size, const ViewKey& key) {
  ViewParams params;
  params.crop = draw_crop(settings, size, stream(key, Purpose::crop));
  params.to_height = params.to_width = settings.size;
  draw_jitter(settings, stream(key, Purpose::jitter), params);
  params.gray = stream(key, Purpose::gray).bernoulli(settings.gray_probability);
  RandomStream blur = stream(key, Purpose::blur);
  if (blur.bernoulli(settings.blur_probability)) {
    params.blur_sigma = blur.uniform(settings.blur_sigma_min, settings.blur_sigma_max);
    const ImageSize view{settings.size, settings.size};
    params.blur_radius = (settings.blur_kernel > 0 ? settings.blur_kernel : blur_kernel_size(params.blur_sigma, view)) / 2;
  }
  params.solarize = stream(key, Purpose::solarize).bernoulli(settings.solarize_probability);
  params.solarize_threshold = settings.solarize_threshold;
  params.flip = stream(key, Purpose::flip).bernoulli(settings.flip_probability);
  return params;
}

}  // namespace mec
