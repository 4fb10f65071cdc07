#include "mec/eval/noise.h"

#include <cmath>

#include "mec/eval/classes.h"
#include "mec/eval/report.h"
#include "mec/nn/layout.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

enum class Where : std::uint32_t { images, features };

// Element j of image (or matrix) i draws from block j of a stream of its own.
RandomArgs draws(Where where, std::int64_t i, double sigma, std::uint64_t seed) {
  return {.scale = sigma,
          .seed = seed,
          .stream = {static_cast<std::uint32_t>(i), 0,
                     static_cast<std::uint32_t>(Purpose::noise) << 16 | static_cast<std::uint32_t>(where)}};
}

void check_sigma(double sigma) {
  check<ValueError>(sigma >= 0 && std::isfinite(sigma), "noise: its standard deviation is at least 0, but is ", sigma);
}

}  // namespace

ImageStream add_image_noise(const ImageStream& images, const Normalization& normalization, double sigma, std::uint64_t seed) {
  check_sigma(sigma);
  check<ValueError>(images.ranks->size() == 1, "noise: images are numbered by one process, but ", images.ranks->size(),
                    " share them");
  validate(normalization, static_cast<int>(images.file_channels));
  std::vector<float> inverse;  // normalised values are 1/std apart where pixels are 1 apart
  for (const float std : normalization.std) inverse.push_back(1.0F / std);
  ImageStream out = images;
  out.next = [=, next = images.next, done = std::int64_t{0}]() mutable -> std::optional<Batch> {
    std::optional<Batch> batch = next();
    if (!batch) return batch;
    Tensor& view = batch->views.at(0);
    const Tensor noise(with_channels(view.shape(), images.file_channels), Dtype::f32, view.device());
    for (std::int64_t i = 0; i < view.dim(0); ++i) {
      fill_random(noise.rows(i, i + 1), draws(Where::images, done + i, sigma, seed));
    }
    done += view.dim(0);
    const Tensor normalized = mul(noise, Tensor::from(inverse, {images.file_channels}, view.device()));
    view = add(view, view.dim(3) == images.file_channels ? normalized : with_channels(normalized, view.dim(3)));
    return batch;
  };
  return out;
}

Tensor add_feature_noise(const Tensor& x, double sigma, std::uint64_t seed) {
  check_sigma(sigma);
  return add(x, random(x.shape(), x.dtype(), x.device(), draws(Where::features, 0, sigma, seed)));
}

double root_mean_square(const Tensor& x) {
  check<ShapeError>(x && x.numel() > 0, "root mean square: there are no values");
  const Tensor wide = x.to(Dtype::f64);
  return std::sqrt(sum(mul(wide, wide)).item() / static_cast<double>(x.numel()));
}

CleanClassifiers::CleanClassifiers(Features train, const KnnOptions& knn, const LinearProbeOptions& linear)
    : train_(std::move(train)), knn_(knn), probe_(fit_linear_probe(train_, linear)), unit_(root_mean_square(train_.x)) {}

NoiseScore CleanClassifiers::score(const Features& test) const {
  const std::vector<std::int32_t> labels = labels_as_in(train_, test);
  return {.knn = accuracy(knn_classify(train_, test.x, knn_), labels), .linear = accuracy(classify(probe_, test.x), labels)};
}

NoiseScore CleanClassifiers::score_with_noise(const Features& test, double sigma, std::uint64_t seed) const {
  Features noisy = test;
  noisy.x = add_feature_noise(test.x, sigma * unit_, seed);
  return score(noisy);
}

}  // namespace mec
