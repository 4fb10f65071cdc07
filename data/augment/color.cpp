#include "mec/data/augment/color.h"

#include "mec/tensor/pixels.h"

namespace mec {
namespace {

struct RgbPlanes {
  explicit RgbPlanes(Planes& image)
      : count(image.plane(0).size()), r(image.plane(0).data()), g(image.plane(1).data()), b(image.plane(2).data()) {}
  pixel::Rgb at(std::size_t i) const { return {r[i], g[i], b[i]}; }
  template <class F> void map(F f) const {
    for (std::size_t i = 0; i < count; ++i) {
      const pixel::Rgb y = f(at(i));
      r[i] = y.r;
      g[i] = y.g;
      b[i] = y.b;
    }
  }
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
  const RgbPlanes p(image);
  for (std::size_t i = 0; i < p.count; ++i) sum += pixel::luma(p.at(i));
  return sum / static_cast<double>(p.count);
}

}  // namespace

void adjust_brightness(Planes& image, float factor) {
  for (float& x : image.values()) x = pixel::brightened(x, factor);
}

void adjust_contrast(Planes& image, float factor) {
  const float rest = (1.0F - factor) * static_cast<float>(mean_gray(image));
  for (float& x : image.values()) x = pixel::blended(x, factor, rest);
}

void adjust_saturation(Planes& image, float factor) {
  if (image.channels() == 1) return;
  RgbPlanes(image).map([factor](pixel::Rgb x) { return pixel::saturated(x, factor); });
}

void adjust_hue(Planes& image, float shift) {
  if (image.channels() == 1) return;
  RgbPlanes(image).map([turn = 6.0F * shift](pixel::Rgb x) { return pixel::turned(x, turn); });
}

void to_gray(Planes& image) {
  if (image.channels() == 1) return;
  RgbPlanes(image).map([](pixel::Rgb x) {
    const float gray = pixel::luma(x);
    return pixel::Rgb{gray, gray, gray};
  });
}

void solarize(Planes& image, float threshold) {
  for (float& x : image.values()) x = pixel::solarized(x, threshold);
}

}  // namespace mec
