// Kernels of the coding length; see ssl/losses/pair.h for the formulas.
#pragma once

#include <cstdint>
#include <span>

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

// How the coding length's λ is chosen from the measured norm of K = PZᵀ.
struct CodingScaleArgs {
  bool adapt = true;  // λ_eff = λ·min(1, limit/‖λK‖₂), otherwise λ_eff = λ
  double limit = 0.9;
};

struct CodingLossArgs {
  std::int64_t order = 4;  // the number of traces that are summed
  double rows = 1;         // m
  double width = 1;        // d
  double weight = 1.0;     // of this direction in the loss
};

namespace kernel {

// traces[k−1] = tr Cᵏ, k = 1…n, from the powers C¹…Cʰ, h = ⌈n/2⌉: tr Cⁱ⁺ʲ = Σ Cⁱ ∘ (Cʲ)ᵀ.
struct PowerTraces {
  static constexpr auto name = "power_traces";
  std::span<const In> powers;
  Out traces;
};

// y = coefficients[0]·I + Σ coefficients[j]·Cʲ over the given powers.
struct MatrixPolynomial {
  static constexpr auto name = "matrix_polynomial";
  std::span<const In> powers;
  std::span<const double> coefficients;
  Out y;
};

// y = (x + xᵀ)/2
struct Symmetrize {
  static constexpr auto name = "symmetrize";
  In x;
  Out y;
};

// scale (3) = {λ_eff, ‖λK‖₂, ‖λ_eff K‖₂} from λ (1) and two vectors u, v = K u: ‖K‖₂ ≈ ‖v‖/‖u‖. A
// norm that is NaN leaves λ as it is.
struct CodingScale {
  static constexpr auto name = "coding_scale";
  In lambda, u, v;
  Out scale;
  CodingScaleArgs args;
};

// result (2) = {weight·(−1/λ_eff)/m·T, weight·μT}, T = Σ (−1)^{k+1}/k·traces[k−1], μ = (m + d)/2.
struct CodingLoss {
  static constexpr auto name = "coding_loss";
  In traces, scale;
  Out result;
  CodingLossArgs args;
};

}  // namespace kernel

using CodingKernels =
    Family<kernel::PowerTraces, kernel::MatrixPolynomial, kernel::Symmetrize, kernel::CodingScale, kernel::CodingLoss>;

}  // namespace mec
