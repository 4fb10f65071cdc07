// KL(p(z) ‖ g) on the device, with gradient: p(z) is a batch's kernel density Σ_i N(z_i, σ²I)/m, g
// a Gaussian mixture with diagonal covariances. The estimates are those of gaussian_mixture_kl.h;
// they differ from each other only in constants and precisions:
//
//   KL = (1/m) Σ_i {log Σ_j e^{A_ij}/m − log Σ_b ω_b e^{B_ib}} + s·H
//   A_ij = −‖z_i − z_j‖²/(2σ²)               or   log N(z_i; z_j, 2σ²I)
//   B_ib = −KL(N(z_i, σ²I) ‖ g_b)            or   log N(z_i; μ_b, diag(v_b) + σ²I)
//   H = d/2·log(2πeσ²), the entropy of a kernel; s = 1 for upper, −1 for lower, else 0
// So each estimate is two (m,·) matrices of quadratic forms and the log of a sum of exponentials in
// each row.
#pragma once

#include <string>

#include "mec/tensor/tensor.h"

namespace mec {

enum class KlEstimate { variational, product, lower, upper };

// The mixture g, made once, in the dtype of the batches.
struct DiagonalMixture {
  Tensor log_weights;  // (k)
  Tensor means;        // (k,d)
  Tensor variances;    // (k,d)
};
// k directions drawn uniformly from the sphere as means, one variance for all, equal weights.
// ValueError unless k ≥ 1, variance > 0.
DiagonalMixture sphere_mixture(std::int64_t components, std::int64_t d, double variance, std::uint64_t seed, Dtype dtype,
                               const Device& device);

struct KernelDensityOptions {
  KlEstimate estimate = KlEstimate::variational;
  double bandwidth = 0.05;  // σ², the variance of each coordinate
  bool normalize = true;    // rows to unit length first
};
struct KernelDensityKl {
  Tensor value;  // (1)
  Tensor dz;     // (m,d), where wanted
};
// z (m,d), f32 or f64. ShapeError for widths that differ, DtypeError for dtypes that do, ValueError
// unless bandwidth > 0.
KernelDensityKl kernel_density_kl(const Tensor& z, const DiagonalMixture& mixture, const KernelDensityOptions& options,
                                  bool want_gradient = true);

}  // namespace mec
