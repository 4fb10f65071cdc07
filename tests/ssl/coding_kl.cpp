// KL between Gaussian mixtures: estimates and bounds against closed forms and Monte Carlo. Values
// against PyTorch are in golden_coding.cpp.
#include "mec/ssl/losses/gaussian_mixture_kl.h"

#include <doctest/doctest.h>

#include "mec/ssl/losses/kernel_density_kl.h"
#include "ssl/coding_samples.h"

using namespace mec;
using namespace mec::test;

namespace {

std::vector<double> uniform(std::size_t count, double low, double high, RandomStream& random) {
  std::vector<double> out(count);
  for (double& value : out) value = low + (high - low) * static_cast<double>(random.uniform());
  return out;
}

// Components `apart` times their width from each other, roughly.
GaussianMixture random_mixture(std::size_t k, std::size_t d, double apart, std::uint64_t seed) {
  RandomStream random(seed, 0, 0, Purpose::test);
  std::vector<double> weights = uniform(k, 0.2, 1, random);
  double sum = 0;
  for (const double weight : weights) sum += weight;
  for (double& weight : weights) weight /= sum;
  std::vector<double> means = uniform(k * d, -apart, apart, random);
  return {weights, means, uniform(k * d, 0.3, 1.5, random)};
}

DiagonalMixture on_device(const GaussianMixture& g, const Device& device) {
  std::vector<double> log_weights, means, variances;
  for (std::size_t b = 0; b < g.size(); ++b) {
    log_weights.push_back(std::log(g.weight(b)));
    means.insert(means.end(), g.mean(b).begin(), g.mean(b).end());
    variances.insert(variances.end(), g.variance(b).begin(), g.variance(b).end());
  }
  const auto k = static_cast<std::int64_t>(g.size()), d = static_cast<std::int64_t>(g.width());
  return {Tensor::from(log_weights, {k}, device), Tensor::from(means, {k, d}, device), Tensor::from(variances, {k, d}, device)};
}

constexpr KlEstimate kEstimates[] = {KlEstimate::variational, KlEstimate::product, KlEstimate::lower, KlEstimate::upper};

}  // namespace

TEST_CASE("KL between equal mixtures: the variational and the product estimate are 0, the bounds enclose it") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const GaussianMixture f = random_mixture(1 + seed % 4, 3, 1.5, seed);
    const MixtureKl kl = mixture_kl(f, f);
    CHECK(std::fabs(kl.variational) < kRounding);
    CHECK(std::fabs(kl.product) < kRounding);
    CHECK(kl.lower <= kRounding);
    CHECK(kl.upper >= -kRounding);
    CHECK(std::fabs(monte_carlo_kl(f, f, 10).value) < kRounding);
  }
}

TEST_CASE("KL: lower bound, Monte Carlo, upper bounds, in this order") {
  int strictly = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const GaussianMixture f = random_mixture(1 + seed % 4, 3, 2, 2 * seed),
                          g = random_mixture(1 + seed % 3, 3, 2, 2 * seed + 1);
    const MixtureKl kl = mixture_kl(f, g);
    const MonteCarloKl referee = monte_carlo_kl(f, g, 20000, seed);
    CAPTURE(seed);
    const double margin = 4 * referee.standard_error;
    CHECK(kl.lower <= referee.value + margin);
    CHECK(referee.value <= kl.upper + margin);
    CHECK(referee.value <= variational_upper_kl(f, g) + margin);
    strictly += kl.lower < referee.value && referee.value < kl.upper;
  }
  CHECK(strictly >= 11);  // the bounds are loose by more than the noise
}

TEST_CASE("KL: the mean of the bounds is the mean of the variational and the product estimate") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const MixtureKl kl = mixture_kl(random_mixture(3, 4, 2, seed), random_mixture(4, 4, 2, seed + 100));
    CHECK((kl.lower + kl.upper) / 2 == doctest::Approx((kl.variational + kl.product) / 2).epsilon(kRounding));
  }
}

TEST_CASE("KL of single Gaussians is the closed form for the variational estimate and the variational bound") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const GaussianMixture f = random_mixture(1, 5, 1, seed), g = random_mixture(1, 5, 1, seed + 100);
    const double closed = gaussian_kl(f, 0, g, 0);
    CHECK(closed > 0);
    CHECK(mixture_kl(f, g).variational == doctest::Approx(closed).epsilon(kRounding));
    CHECK(variational_upper_kl(f, g) == doctest::Approx(closed).epsilon(kRounding));
    // In the others H and the overlaps enter; these are closed forms as well.
    const double over_f = log_overlap(f, 0, f, 0), over_g = log_overlap(f, 0, g, 0), entropy = gaussian_entropy(f, 0);
    CHECK(mixture_kl(f, g).product == doctest::Approx(over_f - over_g).epsilon(kRounding));
    CHECK(mixture_kl(f, g).lower == doctest::Approx(-over_g - entropy).epsilon(kRounding));
    CHECK(mixture_kl(f, g).upper == doctest::Approx(over_f + closed + entropy).epsilon(kRounding));
  }
  // N(0, 1) and N(1, 4): ½(log 4 + (1 + 1)/4 − 1).
  CHECK(gaussian_kl({{1}, {0}, {1}}, 0, {{1}, {1}, {4}}, 0) == doctest::Approx((std::log(4) - 0.5) / 2).epsilon(kRounding));
}

TEST_CASE("the variational bound falls with every round, and is not negative") {
  const GaussianMixture f = random_mixture(4, 3, 2, 7), g = random_mixture(3, 3, 2, 8);
  double before = INFINITY;
  for (const int rounds : {0, 1, 2, 5, 10, 50}) {
    const double bound = variational_upper_kl(f, g, rounds);
    CHECK(bound <= before + kRounding);
    CHECK(bound >= 0);
    before = bound;
  }
  // The minimum over all ways to split the weights is 0 where the mixtures are equal.
  CHECK(variational_upper_kl(f, f, 2000) < 1e-3);
}

TEST_CASE("components far apart do not underflow") {
  const GaussianMixture f({0.5, 0.5}, {0, 1e3}, {1e-2, 1e-2}), g({1}, {-1e3}, {1e-2});
  const MixtureKl kl = mixture_kl(f, g);
  for (const double value : {kl.variational, kl.product, kl.lower, kl.upper, variational_upper_kl(f, g)}) {
    CHECK(std::isfinite(value));
    CHECK(value > 1e6);
  }
}

TEST_CASE("Monte Carlo repeats for a seed, and its samples have the mixture's moments") {
  const GaussianMixture f({0.3, 0.7}, {-2, 1}, {0.5, 2}), g({1}, {0}, {3});
  CHECK(monte_carlo_kl(f, g, 500, 3).value == monte_carlo_kl(f, g, 500, 3).value);
  CHECK(monte_carlo_kl(f, g, 500, 3).value != monte_carlo_kl(f, g, 500, 4).value);
  double mean = 0, square = 0;
  for (std::uint32_t i = 0; i < 20000; ++i) {
    const double x = f.draw(1, i)[0];
    mean += x / 20000;
    square += x * x / 20000;
  }
  CHECK(mean == doctest::Approx(0.1).epsilon(0.4));  // 0.3·(−2) + 0.7·1, to four standard errors
  CHECK(square == doctest::Approx(0.3 * 4.5 + 0.7 * 3).epsilon(0.05));
}

TEST_CASE("the kernel density's KL on the device is that of the general mixtures") {
  const Device device = make_reference_device();
  const GaussianMixture g = random_mixture(3, 4, 1, 5);
  for (const std::int64_t m : {1, 6}) {
    const Tensor z = normal({m, 4}, 9, device);
    const MixtureKl expected = mixture_kl(GaussianMixture::kernel_density(z, 0.3), g);
    const double values[] = {expected.variational, expected.product, expected.lower, expected.upper};
    for (std::size_t i = 0; i < 4; ++i) {
      const KernelDensityKl kl =
          kernel_density_kl(z, on_device(g, device), {.estimate = kEstimates[i], .bandwidth = 0.3, .normalize = false}, false);
      CHECK(kl.value.item() == doctest::Approx(values[i]).epsilon(1e-11));
    }
  }
}

TEST_CASE("gradients of the kernel density's KL agree with central differences") {
  const Device device = make_reference_device();
  for (const Sizes sizes : {Sizes{4, 6}, Sizes{7, 3}}) {
    const DiagonalMixture g = on_device(random_mixture(3, static_cast<std::size_t>(sizes.d), 1, 5), device);
    for (const KlEstimate estimate : kEstimates) {
      for (const bool normalize : {true, false}) {
        const GradcheckResult result = check_gradient(
            [&](const Tensor& x) {
              const KernelDensityKl kl =
                  kernel_density_kl(x, g, {.estimate = estimate, .bandwidth = 0.3, .normalize = normalize});
              return ValueAndGradient{kl.value, kl.dz};
            },
            normal({sizes.m, sizes.d}, 91, device));
        CHECK_MESSAGE(result.ok, result.message);
      }
    }
  }
}

TEST_CASE("minimising the kernel density's KL moves a batch onto the mixture") {
  // KL(p ‖ g) forbids p where g has nothing, and asks less that p be wherever g is: so the start
  // reaches every component.
  const Device device = make_reference_device();
  const DiagonalMixture g = sphere_mixture(4, 3, 0.05, 1, Dtype::f64, device);
  Tensor z = normal({24, 3}, 3, device);
  const KernelDensityOptions options{.bandwidth = 0.05};
  const double before = kernel_density_kl(z, g, options, false).value.item();
  for (int step = 0; step < 400; ++step) z = sub(z, scale(kernel_density_kl(z, g, options).dz, 0.5));
  const double after = kernel_density_kl(z, g, options, false).value.item();
  CAPTURE(before);
  CHECK(before > 1);
  CHECK(after < 0.1 * before);
}

TEST_CASE("KL to one Gaussian around the origin is a constant minus the rate") {
  // N(0, ZᵀZ/m + ε²/d I), the Gaussian that the coding length measures, against N(0, s I): for unit
  // rows KL = ½[(1 + ε²)/s − d + d log s] − d/2·log(ε²/d) − R(Z), whatever Z is.
  const Device device = make_reference_device();
  const double eps2 = 0.7, s = 0.4, d = 4;
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    const Tensor z = normalize_rows(normal({9, 4}, seed, device)).y;
    Tensor covariance = scale(matmul(z, z, {.trans_a = true}), 1.0 / 9);
    covariance = matrix_polynomial({covariance}, {eps2 / d, 1.0});
    double trace = 0;
    for (std::size_t i = 0; i < 4; ++i) trace += covariance.to_vector<double>()[5 * i];
    const double log_det = cholesky(covariance).log_det.segment(0, {1}).item();
    // KL of two Gaussians with mean 0.
    const double closed = (trace / s - d + d * std::log(s) - log_det) / 2;
    const double rate = coding_length(z, lambda_of(z, eps2), {}, false).rate.item();
    const double expected = ((1 + eps2) / s - d + d * std::log(s)) / 2 - d / 2 * std::log(eps2 / d) - rate;
    CHECK(closed == doctest::Approx(expected).epsilon(kRounding));
  }
}

TEST_CASE("wrong mixtures are refused with both values") {
  const Device device = make_reference_device();
  CHECK_THROWS_AS(GaussianMixture({1}, {0, 0}, {1}), ShapeError);
  CHECK_THROWS_WITH_AS(GaussianMixture({0.5, 0.4}, {0, 0}, {1, 1}), "Gaussian mixture: weights sum to 1, but their sum is 0.9",
                       ValueError);
  CHECK_THROWS_AS(GaussianMixture({1.5, -0.5}, {0, 0}, {1, 1}), ValueError);
  CHECK_THROWS_WITH_AS(GaussianMixture({1}, {0}, {0}), "Gaussian mixture: variances are positive, but one is 0", ValueError);
  CHECK_THROWS_AS(GaussianMixture({1}, {0}, {NAN}), ValueError);
  CHECK_THROWS_AS(mixture_kl({{1}, {0}, {1}}, {{1}, {0, 0}, {1, 1}}), ShapeError);
  CHECK_THROWS_AS(monte_carlo_kl({{1}, {0}, {1}}, {{1}, {0}, {1}}, 1), ValueError);
  const DiagonalMixture g = sphere_mixture(2, 3, 1, 0, Dtype::f64, device);
  CHECK_THROWS_AS(kernel_density_kl(normal({4, 2}, 1, device), g, {}), ShapeError);
  CHECK_THROWS_AS(kernel_density_kl(normal({4, 3}, 1, device), g, {.bandwidth = 0}), ValueError);
  CHECK_THROWS_AS(sphere_mixture(2, 3, 0, 0, Dtype::f64, device), ValueError);
}
