#include "mec/eval/linear_probe.h"

#include <doctest/doctest.h>

#include <cmath>

#include "mec/eval/report.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {
namespace {

// Tensors meet only on one device.
const Device& device() {
  static const Device shared = make_reference_device();
  return shared;
}

// Three overlapping clouds around the corners of a triangle; column 2 is noise, column 3 constant.
Features clouds(std::int64_t n, std::uint64_t seed) {
  auto x = random({n, 4}, Dtype::f32, device(), {.seed = seed}).to_vector<float>();
  std::vector<std::int32_t> labels;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const auto label = static_cast<std::int32_t>(i % 3);
    x[4 * i] += label == 1 ? 3.0F : 0.0F;
    x[4 * i + 1] += label == 2 ? 3.0F : 0.0F;
    x[4 * i + 3] = 0.1F;
    labels.push_back(label);
  }
  return {.x = Tensor::from(x, {n, 4}, device()), .labels = labels};
}

TEST_CASE("the linear probe separates overlapping clouds as well as the best rule can") {
  const Features train = clouds(600, 1), test = clouds(3000, 2);
  const LinearScore score = linear_accuracy(train, test);
  CHECK(score.converged);
  // The best rule of all (nearest centre) is right on 89.9 % of these clouds; 600 points lose
  // little.
  CHECK(score.accuracy > 0.88);
}

TEST_CASE("the linear probe ends where its gradient vanishes") {
  const Features train = clouds(300, 3);
  const LinearProbe probe = fit_linear_probe(train, {.tolerance = 1e-5});
  REQUIRE(probe.converged);
  CHECK(probe.gradient_norm <= 1e-5);
  // Optimality in terms of the fit: the mean predicted probability of each class is the class's
  // share, since intercepts are free.
  const Tensor scaled = batch_norm_apply(train.x, probe.scaling, {}, {}, {}, {.eps = 0});
  const auto logits = add(matmul(scaled, probe.weight), probe.bias).to_vector<float>();
  double share = 0;
  for (std::size_t i = 0; i < 300; ++i) {
    const double a = std::exp(logits[3 * i]), b = std::exp(logits[3 * i + 1]), c = std::exp(logits[3 * i + 2]);
    share += a / (a + b + c) / 300;
  }
  // Ten times the tolerance on the gradient.
  CHECK(share == doctest::Approx(1.0 / 3).epsilon(1e-4));
}

TEST_CASE("a stronger penalty makes smaller weights") {
  const Features train = clouds(300, 3);
  const auto size = [&](double c) {
    const Tensor w = fit_linear_probe(train, {.c = c}).weight;
    return sum(mul(w, w)).item();
  };
  CHECK(size(0.01) < 0.5 * size(1.0));
}

TEST_CASE("the linear probe does not care about the features' units") {
  const Features train = clouds(300, 4), test = clouds(300, 5);
  const auto stretch = [](const Tensor& x) {
    return add(mul(x, Tensor::from(std::vector<float>{100, 0.01F, 1, 1}, {4}, x.device())),
               Tensor::full({4}, 5, Dtype::f32, x.device()));
  };
  const auto plain = classify(fit_linear_probe(train), test.x);
  const auto stretched = classify(fit_linear_probe({.x = stretch(train.x), .labels = train.labels}), stretch(test.x));
  CHECK(accuracy(stretched, plain) >= 0.99);  // rounding may move a point that lies on a border
}

TEST_CASE("a constant feature has no say") {
  const Features train = clouds(300, 3);
  const auto w = fit_linear_probe(train).weight.to_vector<float>();  // (4,3)
  for (std::size_t k = 0; k < 3; ++k) CHECK(w[9 + k] == 0);
}

TEST_CASE("the linear probe gives the same bits each time") {
  const Features train = clouds(120, 6);
  const LinearProbe a = fit_linear_probe(train), b = fit_linear_probe(train);
  CHECK(a.iterations == b.iterations);
  CHECK(a.weight.to_vector<float>() == b.weight.to_vector<float>());
}

TEST_CASE("the linear probe refuses labels and settings that do not fit") {
  const Features train = clouds(30, 1);
  CHECK_THROWS_AS(fit_linear_probe(train, {.c = 0}), ValueError);
  CHECK_THROWS_AS(fit_linear_probe({.x = train.x, .labels = {}}), ValueError);
  CHECK_THROWS_AS(fit_linear_probe({.x = train.x, .labels = std::vector<std::int32_t>(30, 0)}), ValueError);
  CHECK_THROWS_AS(fit_linear_probe({.x = train.x, .labels = {0, 1}}), ShapeError);
  CHECK_THROWS_AS(classify(fit_linear_probe(train), train.x.reshape({60, 2})), ShapeError);
}

}  // namespace
}  // namespace mec
