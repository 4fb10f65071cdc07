// Pieces of the coding length: traces of powers, matrix polynomials, and the scalars made from
// them. See ssl/losses/pair.h.
#pragma once

#include <span>
#include <vector>

#include "mec/tensor/kernels/coding.h"
#include "mec/tensor/tensor.h"

namespace mec {

// (n): tr Cᵏ for k = 1…n from the powers C¹…Cʰ with h = ⌈n/2⌉, all (s,s), f32 or f64.
Tensor power_traces(const std::vector<Tensor>& powers, std::int64_t order);
// coefficients[0]·I + Σ_j coefficients[j]·Cʲ; one coefficient more than powers.
Tensor matrix_polynomial(const std::vector<Tensor>& powers, const std::vector<double>& coefficients);
Tensor symmetrize(const Tensor& x);  // (x + xᵀ)/2

// (3): {λ_eff, ‖λK‖₂, ‖λ_eff K‖₂} where ‖K‖₂ ≈ ‖v‖/‖u‖ for v = K u.
Tensor coding_scale(const Tensor& lambda, const Tensor& u, const Tensor& v, const CodingScaleArgs& args);
// (2): the direction's loss and coding length.
Tensor coding_loss(const Tensor& traces, const Tensor& scale, const CodingLossArgs& args);

}  // namespace mec
