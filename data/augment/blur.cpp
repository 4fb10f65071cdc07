#include "mec/data/augment/blur.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/error.h"
#include "mec/tensor/pixels.h"

namespace mec {
namespace {

std::vector<float> gaussian_weights(float sigma, int radius) {
  std::vector<float> weights;
  float sum = 0;
  for (int x = -radius; x <= radius; ++x) {
    weights.push_back(pixel::gaussian(static_cast<float>(x), sigma));
    sum += weights.back();
  }
  for (float& weight : weights) weight /= sum;
  return weights;
}

// One line of `width` values from padded ones: to[x] = Σ weights[k]·padded[x + k].
void convolve(const float* padded, const std::vector<float>& weights, float* to, std::size_t width) {
  std::fill(to, to + width, 0.0F);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    for (std::size_t x = 0; x < width; ++x) to[x] += weights[k] * padded[x + k];
  }
}

}  // namespace

int blur_kernel_size(float sigma, ImageSize size) {
  const int limit = std::min(size.width, size.height) - 1;
  return 2 * std::min(static_cast<int>(std::ceil(3.0F * sigma)), limit) + 1;
}

void gaussian_blur(Planes& image, float sigma, int kernel) {
  const auto [width, height] = image.size();
  check<ValueError>(sigma > 0.0F && std::isfinite(sigma), "gaussian_blur: sigma is positive, but it is ", sigma);
  if (kernel == 0) kernel = blur_kernel_size(sigma, image.size());
  const int radius = kernel / 2;
  check<ValueError>(kernel > 0 && kernel % 2 == 1 && radius < std::min(width, height), "gaussian_blur: a kernel of ", kernel,
                    " on an image of ", width, "x", height, "; it is odd, and half of it is smaller than the image");

  const std::vector<float> weights = gaussian_weights(sigma, radius);
  const auto w = static_cast<std::size_t>(width);
  std::vector<float> padded(w + 2 * static_cast<std::size_t>(radius));
  std::vector<float> rows(image.plane(0).size());
  for (int c = 0; c < image.channels(); ++c) {
    float* plane = image.plane(c).data();
    for (int y = 0; y < height; ++y) {
      const float* source = plane + static_cast<std::size_t>(y) * w;
      for (int x = -radius; x < width + radius; ++x) {
        padded[static_cast<std::size_t>(x + radius)] = source[pixel::reflected(x, width)];
      }
      convolve(padded.data(), weights, &rows[static_cast<std::size_t>(y) * w], w);
    }
    // Down the columns, a whole row at a time, so that this pass runs along memory as well.
    std::fill(plane, plane + rows.size(), 0.0F);
    for (int y = 0; y < height; ++y) {
      float* to = plane + static_cast<std::size_t>(y) * w;
      for (int k = -radius; k <= radius; ++k) {
        const float weight = weights[static_cast<std::size_t>(k + radius)];
        const float* source = &rows[static_cast<std::size_t>(pixel::reflected(y + k, height)) * w];
        for (std::size_t x = 0; x < w; ++x) to[x] += weight * source[x];
      }
    }
  }
}

}  // namespace mec
