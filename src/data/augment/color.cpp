#include "mec/data/augment/color.h"

#include <algorithm>

namespace mec {
namespace {

// These are float minima and maxima as selections, which compilers turn into vector instructions.
float clamp255(float x) {
  x = x < 0.0F ? 0.0F : x;
  return x > 255.0F ? 255.0F : x;
}

float luma(float r, float g, float b) { return 0.2989F * r + 0.587F * g + 0.114F * b; }

struct Rgb {
  explicit Rgb(Planes& image)
      : count(image.plane(0).size()), r(image.plane(0).data()), g(image.plane(1).data()), b(image.plane(2).data()) {}
  std::size_t count;
  float* r;
  float* g;
  float* b;
};

// In double and in index order, so that the result depends on the image alone.
double mean_gray(Planes& image) {
  double sum = 0;
  if (image.channels() == 1) {
    for (const float x : image.values()) sum += x;
    return sum / static_cast<double>(image.values().size());
  }
  const Rgb p(image);
  for (std::size_t i = 0; i < p.count; ++i) sum += luma(p.r[i], p.g[i], p.b[i]);
  return sum / static_cast<double>(p.count);
}

}  // namespace

void adjust_brightness(Planes& image, float factor) {
  for (float& x : image.values()) x = clamp255(factor * x);
}

void adjust_contrast(Planes& image, float factor) {
  const float rest = (1.0F - factor) * static_cast<float>(mean_gray(image));
  for (float& x : image.values()) x = clamp255(factor * x + rest);
}

void adjust_saturation(Planes& image, float factor) {
  if (image.channels() == 1) return;
  const Rgb p(image);
  for (std::size_t i = 0; i < p.count; ++i) {
    const float rest = (1.0F - factor) * luma(p.r[i], p.g[i], p.b[i]);
    p.r[i] = clamp255(factor * p.r[i] + rest);
    p.g[i] = clamp255(factor * p.g[i] + rest);
    p.b[i] = clamp255(factor * p.b[i] + rest);
  }
}

// RGB -> HSV -> RGB in six units of hue and without a branch. Back from HSV, channel n ∈ {5, 3, 1} (R, G, B) is
// max − chroma·clamp(min(k, 4 − k), 0, 1) with k = (n + hue) mod 6 (Wikipedia, "HSL and HSV", alternative formula).
void adjust_hue(Planes& image, float shift) {
  if (image.channels() == 1) return;
  const Rgb p(image);
  const float turn = 6.0F * shift;
  const auto wrap = [](float x) {
    x = x >= 6.0F ? x - 6.0F : x;
    return x < 0.0F ? x + 6.0F : x;
  };
  for (std::size_t i = 0; i < p.count; ++i) {
    const float r = p.r[i];
    const float g = p.g[i];
    const float b = p.b[i];
    const float top = r > g ? (r > b ? r : b) : (g > b ? g : b);
    const float bottom = r < g ? (r < b ? r : b) : (g < b ? g : b);
    const float chroma = top - bottom;
    const float scale = 1.0F / (chroma > 0.0F ? chroma : 1.0F);  // gray has no hue, and keeps none: chroma is 0
    const float from_red = (g - b) * scale;
    const float from_green = 2.0F + (b - r) * scale;
    const float from_blue = 4.0F + (r - g) * scale;
    const float hue = wrap((r == top ? from_red : (g == top ? from_green : from_blue)) + turn);
    const auto channel = [&](float n) {
      const float k = wrap(n + hue);
      const float rise = k < 4.0F - k ? k : 4.0F - k;
      const float part = rise < 0.0F ? 0.0F : (rise > 1.0F ? 1.0F : rise);
      return top - chroma * part;
    };
    p.r[i] = channel(5.0F);
    p.g[i] = channel(3.0F);
    p.b[i] = channel(1.0F);
  }
}

void to_gray(Planes& image) {
  if (image.channels() == 1) return;
  const Rgb p(image);
  for (std::size_t i = 0; i < p.count; ++i) p.r[i] = p.g[i] = p.b[i] = luma(p.r[i], p.g[i], p.b[i]);
}

void solarize(Planes& image, float threshold) {
  for (float& x : image.values()) x = x >= threshold ? 255.0F - x : x;
}

}  // namespace mec
