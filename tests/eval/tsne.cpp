// t-SNE against its definition, and against scikit-learn's on digits that scikit-learn ships.
#include "mec/eval/tsne.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "mec/eval/pca.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/golden.h"

namespace mec {
namespace {

const Device& device() {
  static const Device shared = make_reference_device();
  return shared;
}

// Rows of p by bisection, as it is defined.
std::vector<double> affinities_by_bisection(const std::vector<double>& x, std::size_t n, std::size_t d, double perplexity) {
  std::vector<double> p(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> square(n, 0.0), row(n, 0.0);
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t c = 0; c < d; ++c) square[j] += std::pow(x[i * d + c] - x[j * d + c], 2);
    }
    double low = 0, high = 1e6;
    for (int round = 0; round < 200; ++round) {
      const double beta = (low + high) / 2;
      double sum = 0, entropy = 0;
      for (std::size_t j = 0; j < n; ++j) sum += row[j] = j == i ? 0 : std::exp(-beta * square[j]);
      for (double& v : row) v /= sum;
      for (const double v : row) entropy -= v > 0 ? v * std::log(v) : 0;
      (entropy > std::log(perplexity) ? low : high) = beta;
    }
    for (std::size_t j = 0; j < n; ++j)
      p[i * n + j] += row[j] / (2.0 * static_cast<double>(n)), p[j * n + i] += row[j] / (2.0 * static_cast<double>(n));
  }
  return p;
}

TEST_CASE("affinities are those of the definition, with the perplexity asked for") {
  constexpr std::size_t n = 60, d = 4;
  const Tensor x = random({n, d}, Dtype::f64, device(), {.seed = 5});
  for (const double perplexity : {2.0, 15.0, 50.0}) {
    CAPTURE(perplexity);
    const auto p = tsne_affinities(x, perplexity).to_vector<double>();
    const auto expected = affinities_by_bisection(x.to_vector<double>(), n, d, perplexity);
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      CHECK(std::fabs(p[i] - expected[i]) <= 1e-7 * expected[i] + 1e-15);
      sum += p[i];
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("affinities share out among equal neighbours, however many, and however far the features lie from the origin") {
  // Eight equal points and two others: the seven neighbours of each are more than the perplexity.
  std::vector<float> values(10, 1000.0F);
  values[8] = 1001, values[9] = 1003;
  const auto p = tsne_affinities(Tensor::from(values, {10, 1}, device()), 2).to_vector<double>();
  CHECK(p[1] == doctest::Approx(1.0 / 70));  // (1/7 + 1/7)/20
  CHECK(p[7 * 10 + 3] == doctest::Approx(1.0 / 70));
  CHECK(p[0] == 0);
}

TEST_CASE("the gradient is that of the divergence") {
  constexpr std::int64_t n = 12;
  const Tensor p = tsne_affinities(random({n, 3}, Dtype::f64, device(), {.seed = 6}), 4);
  const Tensor y = random({n, 2}, Dtype::f64, device(), {.scale = 2, .seed = 7});
  const auto gradient = tsne_gradient(p, y).to_vector<double>();
  constexpr double h = 1e-6;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const auto moved = [&](double by) {
      auto values = y.to_vector<double>();
      values[i] += by;
      return tsne_divergence(p, Tensor::from(values, y.shape(), device()));
    };
    CHECK(std::fabs((moved(h) - moved(-h)) / (2 * h) - gradient[i]) < 1e-9);
  }
}

TEST_CASE("affinities, divergence and gradient of the digits are scikit-learn's") {
  for (const char* name : {"reference", "cpu"}) {
    CAPTURE(name);
    const test::Golden golden("digits", make_device(name));
    const Tensor p = tsne_affinities(golden.at("x", Dtype::f32), golden.number("perplexity"));
    // scikit-learn stops its bisection when the entropy is within 1e-5; the farthest neighbours
    // feel it most.
    const auto ours = p.rows(0, 50).to_vector<double>(), theirs = golden.at("p", Dtype::f64).to_vector<double>();
    REQUIRE(ours.size() == theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) CHECK(std::fabs(ours[i] - theirs[i]) <= 2e-4 * theirs[i] + 1e-12);
    const Tensor y = golden.at("y", Dtype::f64);
    CHECK(tsne_divergence(p, y) == doctest::Approx(golden.at("y_kl", Dtype::f64).item()).epsilon(1e-5));
    // At the minimum attraction and repulsion, of about 1e-2, cancel: what is left of the entropy's
    // 1e-5.
    const auto gradient = tsne_gradient(p, y).to_vector<double>();
    const auto expected = golden.at("y_gradient", Dtype::f64).to_vector<double>();
    for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(std::fabs(gradient[i] - expected[i]) < 1e-7);
  }
}

TEST_CASE("t-SNE of the digits is as good as scikit-learn's, and keeps classes together") {
  for (const char* name : {"reference", "cpu"}) {
    CAPTURE(name);
    const test::Golden golden("digits", make_device(name));
    const Tsne result = fit_tsne(golden.at("x", Dtype::f32), {.perplexity = golden.number("perplexity")});
    REQUIRE(result.y.shape() == Shape{300, 2});
    // Which minimum a descent ends in hangs on its rounding: scikit-learn's own, from the start
    // turned by 0 to 70 degrees, lie between 0.426 and 0.445 here.
    CHECK(result.kl <= 1.03 * golden.number("kl"));
    CHECK(result.kl >= 0.9 * golden.number("kl"));
    CHECK(result.kl == doctest::Approx(tsne_divergence(tsne_affinities(golden.at("x", Dtype::f32), 30), result.y)));
    const auto y = result.y.to_vector<float>();
    const auto labels = golden.at("labels", Dtype::i32).to_vector<std::int32_t>();
    int same = 0;
    for (std::size_t i = 0; i < 300; ++i) {
      std::size_t nearest = i;
      float best = std::numeric_limits<float>::infinity();
      for (std::size_t j = 0; j < 300; ++j) {
        const float d = std::hypot(y[2 * i] - y[2 * j], y[2 * i + 1] - y[2 * j + 1]);
        if (j != i && d < best) best = d, nearest = j;
      }
      same += labels[i] == labels[nearest];
    }
    CHECK(same > 270);  // nine of ten have a neighbour of their own class
  }
}

// Points (N,2) after the same descent in f64, as scikit-learn writes it: a phase with exaggerated
// p, and one without.
std::vector<double> descend_plainly(const Tensor& x, const TsneOptions& options, double lr) {
  const Tensor p = tsne_affinities(x, options.perplexity);
  const Pca pca = fit_pca(x, 2);
  std::vector<double> y = project(pca, x).to_vector<double>();
  const auto n = static_cast<double>(x.dim(0));
  for (double& v : y) v *= 1e-4 / std::sqrt(pca.variances[0] * (n - 1) / n);
  std::vector<double> velocity, gain;
  for (int i = 0; i < options.iterations; ++i) {
    const bool early = i < options.exaggerated;
    if (i == 0 || i == options.exaggerated) velocity.assign(y.size(), 0.0), gain.assign(y.size(), 1.0);
    const Tensor exaggerated = scale(p, early ? options.exaggeration : 1.0);
    const auto gradient = tsne_gradient(exaggerated, Tensor::from(y, {x.dim(0), 2}, device())).to_vector<double>();
    for (std::size_t k = 0; k < y.size(); ++k) {
      gain[k] = std::max(velocity[k] * gradient[k] < 0 ? gain[k] + 0.2 : gain[k] * 0.8, 0.01);
      velocity[k] = (early ? 0.5 : 0.8) * velocity[k] - lr * gain[k] * gradient[k];
      y[k] += velocity[k];
    }
  }
  return y;
}

TEST_CASE("the descent has the phases, momentum, gains and learning rate that it says") {
  const Tensor x = random({60, 5}, Dtype::f64, device(), {.seed = 10});
  for (const double lr : {0.0, 20.0}) {
    const TsneOptions options{.perplexity = 8, .iterations = 10, .exaggerated = 5, .learning_rate = lr};
    const Tensor expected = Tensor::from(descend_plainly(x, options, lr > 0 ? lr : 50), {60, 2}, device());
    const test::Comparison same = test::compare(fit_tsne(x, options).y, expected, {.of_rms = 1e-3});  // f32, ten steps on
    CHECK_MESSAGE(same.ok, same.message);
  }
}

TEST_CASE("t-SNE repeats to the bit, for any number of threads") {
  const auto run = [](int threads) {
    const Device cpu = make_cpu_device({.threads = threads, .kernels = CpuKernels::own});
    return fit_tsne(random({90, 5}, Dtype::f32, cpu, {.seed = 8}), {.perplexity = 10, .iterations = 300}).y.to_vector<float>();
  };
  const auto one = run(1);
  CHECK(one == run(1));
  CHECK(one == run(3));
}

TEST_CASE("t-SNE takes features of width one and refuses what it cannot show") {
  const Tensor x = random({20, 1}, Dtype::f32, device(), {.seed = 9});
  CHECK(std::isfinite(fit_tsne(x, {.perplexity = 5, .iterations = 50, .exaggerated = 20}).kl));
  CHECK_THROWS_AS(fit_tsne(x, {.perplexity = 19}), ValueError);
  CHECK_THROWS_AS(fit_tsne(x, {.perplexity = 0.5}), ValueError);
  CHECK_THROWS_AS(fit_tsne(x, {.perplexity = 5, .iterations = 100}), ValueError);
  CHECK_THROWS_AS(fit_tsne(x, {.perplexity = 5, .exaggeration = 0}), ValueError);
  CHECK_THROWS_AS(fit_tsne(x.rows(0, 2), {.perplexity = 1}), ShapeError);
  CHECK_THROWS_WITH_AS(fit_tsne(Tensor::full({20, 3}, 2.0, Dtype::f32, device()), {.perplexity = 5}),
                       doctest::Contains("nothing to show"), ValueError);
  const Tensor nan = Tensor::full({20, 3}, std::numeric_limits<double>::quiet_NaN(), Dtype::f32, device());
  CHECK_THROWS_AS(fit_tsne(nan, {.perplexity = 5}), NumericalError);
}

}  // namespace
}  // namespace mec
