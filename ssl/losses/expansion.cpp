#include "mec/ssl/losses/expansion.h"

#include "mec/tensor/ops.h"

namespace mec {

namespace {

double sign_of_power(std::int64_t k) { return k % 2 == 0 ? 1.0 : -1.0; }

}  // namespace

// Q = Σ_{k<n} (−C)ᵏ. The traces already need the powers up to h = ⌈n/2⌉, so Q = B₀ + B₁Cʰ takes one
// more product: for n = 4, (I − C) + (I − C)C².
Expansion expand_series(const Tensor& c, std::int64_t order, double factor, bool want_gradient) {
  const std::int64_t h = (order + 1) / 2;
  std::vector<Tensor> powers{c};
  for (std::int64_t k = 2; k <= h; ++k) powers.push_back(matmul(powers.back(), c));
  Expansion out{.traces = power_traces(powers, order), .terms = order, .sign = {}, .gradient = {}};
  if (!want_gradient) return out;

  // Factor·Σ_{j<count} (−1)^{first+j} Cʲ.
  const auto alternating = [&](std::int64_t first, std::int64_t count) {
    std::vector<double> coefficients(powers.size() + 1, 0.0);
    for (std::int64_t j = 0; j < count; ++j) coefficients[static_cast<std::size_t>(j)] = factor * sign_of_power(first + j);
    return matrix_polynomial(powers, coefficients);
  };
  if (order <= h + 1) {  // degree n − 1 lies within the powers
    out.gradient = alternating(0, order);
  } else {
    out.gradient = alternating(0, h);
    matmul_into(alternating(h, order - h), powers.back(), out.gradient, {.accumulate = true});
  }
  return out;
}

// ∂ log det(I + C)/∂C = (I + C)⁻ᵀ.
Expansion expand_exact(const Tensor& c, double factor, bool want_gradient) {
  const Lu factors = lu(matrix_polynomial({c}, {1.0, 1.0}));
  Expansion out{.traces = factors.log_det, .terms = 1, .sign = factors.log_det.segment(1, {1}), .gradient = {}};
  if (want_gradient) out.gradient = scale(lu_inverse(factors), factor);
  return out;
}

Expansion expand_symmetric(const Tensor& c, double factor, bool want_gradient) {
  const Tensor shifted = matrix_polynomial({c}, {1.0, 1.0});
  const Cholesky factors = cholesky(shifted);
  Expansion out{.traces = factors.log_det, .terms = 1, .sign = factors.log_det.segment(1, {1}), .gradient = {}};
  if (want_gradient) out.gradient = scale(lu_inverse(lu(shifted)), factor);
  return out;
}

Tensor value_of(const Expansion& expansion) {
  const Tensor ones = Tensor::full({3}, 1.0, expansion.traces.dtype(), expansion.traces.device());
  // With μ = (1 + 1)/2 the kernel's coding length is the alternating sum itself.
  return coding_loss(expansion.traces, ones, {.order = expansion.terms, .rows = 1, .width = 1}).segment(1, {1});
}

}  // namespace mec
