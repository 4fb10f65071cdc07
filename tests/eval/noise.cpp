#include "mec/eval/noise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "data/fixtures.h"
#include "mec/eval/report.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {
namespace {

const Device& device() {
  static const Device shared = make_reference_device();
  return shared;
}

const Normalization kNormalization{.mean = {0.5F, 0.4F, 0.3F}, .std = {0.25F, 0.5F, 1.0F}};

ImageStream images(std::int64_t batch) {
  return stream_dataset(test::random_dataset(40, {8, 8}, 3), make_eval_transform({.size = 8, .resize = 8}, kNormalization),
                        device(), {.batch = batch});
}
std::vector<float> noisy(std::int64_t batch, double sigma, std::uint64_t seed) {
  return pixel_features(add_image_noise(images(batch), kNormalization, sigma, seed)).x.to_vector<float>();
}

TEST_CASE("noise on images has the deviation asked for in units of pixels, channel by channel") {
  const auto clean = pixel_features(images(16)).x.to_vector<float>(), with = noisy(16, 0.1, 1);
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t i = c; i < clean.size(); i += 3) {
      const double pixels = (with[i] - clean[i]) * kNormalization.std[c];
      sum += pixels, squares += pixels * pixels;
    }
    constexpr double n = 40 * 64;
    CHECK(std::fabs(sum / n) < 4 * 0.1 / std::sqrt(n));
    CHECK(std::sqrt(squares / n) == doctest::Approx(0.1).epsilon(4 / std::sqrt(2 * n)));
  }
}

TEST_CASE("noise depends on seed and image, not on batches; a larger deviation is the same noise, larger") {
  const auto clean = noisy(16, 0, 1), small = noisy(16, 0.1, 1), large = noisy(16, 0.2, 1);
  CHECK(clean == pixel_features(images(16)).x.to_vector<float>());
  CHECK(small == noisy(7, 0.1, 1));
  CHECK(small != noisy(16, 0.1, 2));
  const auto noise = [&](std::size_t i) { return small[i] - clean[i]; };
  for (std::size_t i = 0; i < clean.size(); i += 11) CHECK(large[i] - clean[i] == doctest::Approx(2 * noise(i)).epsilon(1e-4));
  double product = 0, square = 0;  // two images get independent draws
  for (std::size_t i = 0; i < 192; ++i) product += noise(i) * noise(192 + i), square += noise(i) * noise(i);
  CHECK(std::fabs(product) < 0.3 * square);
}

TEST_CASE("noise keeps out of channels that a device adds") {
  struct Padded {
    ImageStream stream;
    Padded() {
      stream = {.size = 2, .file_channels = 1, .next = [left = 1]() mutable -> std::optional<Batch> {
                  if (left-- == 0) return std::nullopt;
                  Batch batch;
                  batch.views = {Tensor::zeros({2, 3, 3, 4}, Dtype::f32, device())};
                  return batch;
                }};
    }
  } padded;
  const auto batch = add_image_noise(padded.stream, {.mean = {0}, .std = {1}}, 1, 0).next();
  const auto values = batch->views[0].to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) CHECK((values[i] == 0) == (i % 4 != 0));
}

TEST_CASE("noise on features is measured in their root mean square") {
  const Tensor x = random({300, 20}, Dtype::f32, device(), {.scale = 2, .shift = 1, .seed = 4});
  CHECK(root_mean_square(x) == doctest::Approx(std::sqrt(5.0)).epsilon(0.03));
  const double added = root_mean_square(sub(add_feature_noise(x, 0.7, 5), x));
  CHECK(added == doctest::Approx(0.7).epsilon(0.03));
  CHECK(add_feature_noise(x, 0.7, 5).to_vector<float>() == add_feature_noise(x, 0.7, 5).to_vector<float>());
  CHECK(add_feature_noise(x, 0.7, 5).to_vector<float>() != add_feature_noise(x, 0.7, 6).to_vector<float>());
}

// Four clouds at the corners of a square, far apart.
Features clouds(std::int64_t n, std::uint64_t seed) {
  Features out{.x = Tensor({n, 2}, Dtype::f32, device()), .labels = {}};
  auto values = random({n, 2}, Dtype::f32, device(), {.scale = 0.3, .seed = seed}).to_vector<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(2 * i);
    out.labels.push_back(static_cast<std::int32_t>(i % 4));
    values[at] += i % 2 ? 3 : -3;
    values[at + 1] += i % 4 / 2 ? 3 : -3;
  }
  out.x = Tensor::from(values, {n, 2}, device());
  return out;
}

TEST_CASE("accuracy without noise is that of the report, and falls to chance as noise grows") {
  const Features train = clouds(400, 1), test = clouds(400, 2);
  const CleanClassifiers classifiers(train);
  const NoiseScore clean = classifiers.score_with_noise(test, 0, 1);
  CHECK(clean.knn == knn_accuracy(train, test));
  CHECK(clean.linear == linear_accuracy(train, test).accuracy);
  CHECK(clean.knn == 1.0);
  // A corner is 3 from both axes, and so is the root mean square: noise of one unit leaves Φ(1)² =
  // 71 %.
  CHECK(std::fabs(classifiers.score_with_noise(test, 1, 1).linear - 0.708) < 0.08);
  CHECK(std::fabs(classifiers.score_with_noise(test, 1, 1).knn - 0.708) < 0.08);
  CHECK(std::fabs(classifiers.score_with_noise(test, 1000, 1).linear - 0.25) < 0.08);
}

TEST_CASE("noise refuses a negative deviation") {
  CHECK_THROWS_AS(add_image_noise(images(4), kNormalization, -0.1, 0), ValueError);
  CHECK_THROWS_AS(add_feature_noise(Tensor::zeros({1, 1}, Dtype::f32, device()), std::numeric_limits<double>::quiet_NaN(), 0),
                  ValueError);
}

}  // namespace
}  // namespace mec
