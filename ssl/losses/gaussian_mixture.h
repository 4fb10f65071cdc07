// Mixtures of Gaussians with diagonal covariances, f(x) = Σ_a π_a N(x; μ_a, diag v_a), on the host
// in f64: the arguments of the divergences in gaussian_mixture_kl.h. Plain loops over components
// and coordinates, for analysis; training uses kernel_density_kl.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

class GaussianMixture {
 public:
  // means (k,d) row after row, variances likewise, weights (k) that sum to 1 within 1e-6 and are
  // then scaled to sum to 1. ShapeError for sizes that do not fit, ValueError for a weight that is
  // negative or a variance that is not positive.
  GaussianMixture(std::vector<double> weights, std::vector<double> means, std::vector<double> variances);

  // Isotropic kernels of one variance around the rows of points (m,d), equal weights: the kernel
  // density of a batch.
  static GaussianMixture kernel_density(const Tensor& points, double variance);

  std::size_t size() const { return weights_.size(); }          // k
  std::size_t width() const { return means_.size() / size(); }  // d
  double weight(std::size_t a) const { return weights_[a]; }
  std::span<const double> mean(std::size_t a) const { return {means_.data() + a * width(), width()}; }
  std::span<const double> variance(std::size_t a) const { return {variances_.data() + a * width(), width()}; }

  double log_density(std::span<const double> x) const;
  // Draw number `sample` of the stream `seed`: a function of the two alone.
  std::vector<double> draw(std::uint64_t seed, std::uint32_t sample) const;

 private:
  std::vector<double> weights_, means_, variances_;
};

// Closed forms between component a of f and component b of g.
double gaussian_kl(const GaussianMixture& f, std::size_t a, const GaussianMixture& g, std::size_t b);  // KL(f_a ‖ g_b)
double log_overlap(const GaussianMixture& f, std::size_t a, const GaussianMixture& g, std::size_t b);  // log ∫ f_a g_b
double gaussian_entropy(const GaussianMixture& f, std::size_t a);                                      // −∫ f_a log f_a

double log_sum_exp(std::span<const double> x);  // −∞ for no or only infinitely negative terms

}  // namespace mec
