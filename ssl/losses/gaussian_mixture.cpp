#include "mec/ssl/losses/gaussian_mixture.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "mec/tensor/philox.h"

namespace mec {

namespace {

constexpr double kLog2Pi = 1.8378770664093453;

// log N(x; mean, diag(v + w)); w may be empty.
double log_normal(std::span<const double> x, std::span<const double> mean, std::span<const double> v,
                  std::span<const double> w) {
  double sum = 0;
  for (std::size_t c = 0; c < x.size(); ++c) {
    const double variance = v[c] + (w.empty() ? 0 : w[c]), apart = x[c] - mean[c];
    sum += kLog2Pi + std::log(variance) + apart * apart / variance;
  }
  return -sum / 2;
}

}  // namespace

double log_sum_exp(std::span<const double> x) {
  const double largest = x.empty() ? -std::numeric_limits<double>::infinity() : *std::ranges::max_element(x);
  if (std::isinf(largest)) return largest;
  double sum = 0;
  for (const double value : x) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

GaussianMixture::GaussianMixture(std::vector<double> weights, std::vector<double> means, std::vector<double> variances)
    : weights_(std::move(weights)), means_(std::move(means)), variances_(std::move(variances)) {
  check<ShapeError>(
      !weights_.empty() && !means_.empty() && means_.size() % weights_.size() == 0 && variances_.size() == means_.size(),
      "Gaussian mixture: k weights need k·d means and k·d variances, but got ", weights_.size(), ", ", means_.size(), " and ",
      variances_.size(), " numbers");
  double sum = 0;
  for (const double weight : weights_) {
    check<ValueError>(weight >= 0, "Gaussian mixture: weights are not negative, but one is ", weight);
    sum += weight;
  }
  check<ValueError>(std::fabs(sum - 1) <= 1e-6, "Gaussian mixture: weights sum to 1, but their sum is ", sum);
  for (double& weight : weights_) weight /= sum;
  for (const double mean : means_) {
    check<ValueError>(std::isfinite(mean), "Gaussian mixture: means are finite, but one is ", mean);
  }
  for (const double variance : variances_) {
    check<ValueError>(variance > 0 && std::isfinite(variance), "Gaussian mixture: variances are positive, but one is ",
                      variance);
  }
}

GaussianMixture GaussianMixture::kernel_density(const Tensor& points, double variance) {
  check<ShapeError>(points && points.rank() == 2 && points.numel() > 0,
                    "kernel density: the points are the rows of a matrix (m,d), but got ", points.shape());
  const auto m = static_cast<std::size_t>(points.dim(0));
  auto means = points.to(Dtype::f64).to_vector<double>();
  std::vector<double> variances(means.size(), variance);
  return {std::vector<double>(m, 1 / static_cast<double>(m)), std::move(means), std::move(variances)};
}

double GaussianMixture::log_density(std::span<const double> x) const {
  std::vector<double> terms(size());
  for (std::size_t a = 0; a < size(); ++a) terms[a] = std::log(weights_[a]) + log_normal(x, mean(a), variance(a), {});
  return log_sum_exp(terms);
}

std::vector<double> GaussianMixture::draw(std::uint64_t seed, std::uint32_t sample) const {
  RandomStream random(seed, sample, 0, Purpose::monte_carlo);
  double left = random.uniform();
  std::size_t a = 0;
  while (a + 1 < size() && left >= weights_[a]) left -= weights_[a++];
  std::vector<double> x(mean(a).begin(), mean(a).end());
  for (std::size_t c = 0; c < x.size(); ++c) {
    const std::uint32_t radius_bits = random.bits();
    x[c] += std::sqrt(variance(a)[c]) * box_muller<double>(radius_bits, random.bits());
  }
  return x;
}

// ½ Σ_c [log(w/v) + v/w + (μ − ν)²/w − 1] for f_a = N(μ, v), g_b = N(ν, w).
double gaussian_kl(const GaussianMixture& f, std::size_t a, const GaussianMixture& g, std::size_t b) {
  double sum = 0;
  for (std::size_t c = 0; c < f.width(); ++c) {
    const double v = f.variance(a)[c], w = g.variance(b)[c], apart = f.mean(a)[c] - g.mean(b)[c];
    sum += std::log(w / v) + (v + apart * apart) / w - 1;
  }
  return sum / 2;
}

// ∫ N(x; μ, v) N(x; ν, w) dx = N(μ; ν, v + w).
double log_overlap(const GaussianMixture& f, std::size_t a, const GaussianMixture& g, std::size_t b) {
  return log_normal(f.mean(a), g.mean(b), f.variance(a), g.variance(b));
}

double gaussian_entropy(const GaussianMixture& f, std::size_t a) {
  double sum = 0;
  for (const double variance : f.variance(a)) sum += kLog2Pi + 1 + std::log(variance);
  return sum / 2;
}

}  // namespace mec
