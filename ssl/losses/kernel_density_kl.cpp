#include "mec/ssl/losses/kernel_density_kl.h"

#include <cmath>
#include <numbers>

#include "mec/ssl/losses/log_sum_exp.h"
#include "mec/ssl/losses/memberships.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

Tensor constant(const Shape& shape, double value, const Tensor& like) {
  return Tensor::full(shape, value, like.dtype(), like.device());
}

// logits_ab = offsets_b − ½ Σ_c precision_bc (z_ac − mean_bc)².
struct QuadraticForms {
  Tensor means, precisions;  // (k,d)
  Tensor offsets;            // (k)

  // The square is multiplied out: two matrix products instead of an (m,k,d) array.
  Tensor logits(const Tensor& z) const {
    Tensor out = matmul(square(z), scale(precisions, -0.5), {.trans_b = true});  // (m,k)
    const Tensor weighted = mul(means, precisions);
    matmul_into(z, weighted, out, {.trans_b = true, .accumulate = true});
    return add(out, sub(offsets, scale(sum(mul(weighted, means), 1), 0.5)));
  }
  // ∂/∂z_a = Σ_b w_ab precision_b (mean_b − z_a), w (m,k) the gradient of the logits.
  Tensor grad_points(const Tensor& z, const Tensor& w) const {
    return sub(matmul(w, mul(means, precisions)), mul(z, matmul(w, precisions)));
  }
  // ∂/∂mean_b = Σ_a w_ab precision_b (z_a − mean_b).
  Tensor grad_means(const Tensor& z, const Tensor& w) const {
    return mul(precisions, sub(matmul(w, z, {.trans_a = true}), mul(means, sum(w, 0).reshape({-1, 1}))));
  }
};

// A_ij of the header, with log 1/m.
QuadraticForms among_kernels(const Tensor& z, double bandwidth, bool overlap) {
  const auto m = static_cast<double>(z.dim(0)), d = static_cast<double>(z.dim(1));
  const double spread = overlap ? 2 * bandwidth : bandwidth;
  const double offset = -std::log(m) - (overlap ? d / 2 * std::log(2 * std::numbers::pi * spread) : 0);
  return {z, constant(z.shape(), 1 / spread, z), constant({z.dim(0)}, offset, z)};
}

// B_ib of the header, with log ω_b.
QuadraticForms against_mixture(const DiagonalMixture& g, double bandwidth, bool overlap) {
  const Tensor& v = g.variances;
  const auto d = static_cast<double>(v.dim(1));
  const Tensor spread = overlap ? add(v, constant(v.shape(), bandwidth, v)) : v;
  const Tensor precisions = div(constant(v.shape(), 1, v), spread);
  Tensor twice = sum(log(spread), 1);  // −2·(offset − log ω)
  if (overlap) {
    twice = add(twice, constant(twice.shape(), d * std::log(2 * std::numbers::pi), v));
  } else {  // Σ_c [log(v/σ²) + σ²/v − 1]
    add_into(scale(sum(precisions, 1), bandwidth), twice);
    twice = add(twice, constant(twice.shape(), -d * (std::log(bandwidth) + 1), v));
  }
  return {g.means, precisions, sub(g.log_weights, scale(twice, 0.5))};
}

}  // namespace

DiagonalMixture sphere_mixture(std::int64_t components, std::int64_t d, double variance, std::uint64_t seed, Dtype dtype,
                               const Device& device) {
  check<ValueError>(variance > 0, "sphere mixture: the variance is positive, but is ", variance);
  const Tensor means = random_prototypes(d, {.components = components, .seed = seed}, dtype, device);
  return {Tensor::full({components}, -std::log(static_cast<double>(components)), dtype, device), means,
          Tensor::full({components, d}, variance, dtype, device)};
}

KernelDensityKl kernel_density_kl(const Tensor& z, const DiagonalMixture& mixture, const KernelDensityOptions& options,
                                  bool want_gradient) {
  check<ShapeError>(z && z.rank() == 2 && z.numel() > 0 && mixture.means.rank() == 2 && mixture.means.dim(1) == z.dim(1) &&
                        mixture.variances.shape() == mixture.means.shape() &&
                        mixture.log_weights.numel() == mixture.means.dim(0),
                    "kernel density KL: vectors (m,d), means and variances (k,d), log weights (k), but got ", z.shape(), ", ",
                    mixture.means.shape(), ", ", mixture.variances.shape(), " and ", mixture.log_weights.shape());
  check<DtypeError>(mixture.means.dtype() == z.dtype(), "kernel density KL: vectors and mixture share a dtype, but are ",
                    z.dtype(), " and ", mixture.means.dtype());
  check<ValueError>(options.bandwidth > 0, "kernel density KL: the bandwidth is positive, but is ", options.bandwidth);
  const bool overlap_f = options.estimate == KlEstimate::product || options.estimate == KlEstimate::upper;
  const bool overlap_g = options.estimate == KlEstimate::product || options.estimate == KlEstimate::lower;
  const NormalizedRows unit = options.normalize ? normalize_rows(z) : NormalizedRows{z, {}};

  const QuadraticForms f = among_kernels(unit.y, options.bandwidth, overlap_f);
  const QuadraticForms g = against_mixture(mixture, options.bandwidth, overlap_g);
  const RowLogSumExp near_f = log_sum_exp_rows(f.logits(unit.y)), near_g = log_sum_exp_rows(g.logits(unit.y));
  const auto m = static_cast<double>(z.dim(0)), d = static_cast<double>(z.dim(1));
  const double entropy = d / 2 * (std::log(2 * std::numbers::pi * options.bandwidth) + 1);
  const double entropies = static_cast<double>(overlap_f) - static_cast<double>(overlap_g);  // 1 for upper, −1 for lower
  KernelDensityKl out{
      .value = add(scale(sum(sub(near_f.value, near_g.value)).reshape({1}), 1 / m), constant({1}, entropies * entropy, z)),
      .dz = {}};
  if (!want_gradient) return out;
  Tensor dz = f.grad_points(unit.y, near_f.softmax);
  // Each row is both a point and the mean of its kernel, so both gradients add up.
  add_into(f.grad_means(unit.y, near_f.softmax), dz);
  dz = scale(sub(dz, g.grad_points(unit.y, near_g.softmax)), 1 / m);
  out.dz = options.normalize ? normalize_rows_grad(unit, dz) : dz;
  return out;
}

}  // namespace mec
