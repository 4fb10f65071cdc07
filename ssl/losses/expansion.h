// T(C) = log det(I + C), exactly or as its series, and its derivative. All losses take both from
// here.
//
//   T(C) = Σ_{k≤n} (−1)^{k+1}/k tr Cᵏ, or log det(I + C)
//   ∂T/∂C = Qᵀ,  Q = Σ_{k<n} (−C)ᵏ, or (I + C)⁻¹
// The series stands for the logarithm only while the spectral radius of C is below 1.
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

enum class Side { automatic, batch, feature };  // the smaller of the two, (m,m), (d,d)

struct Expansion {
  Tensor traces;  // T is their alternating sum, or the single log|det|
  std::int64_t terms = 1;
  Tensor sign;      // (1), of det(I + C); undefined for a series
  Tensor gradient;  // factor·Q, where wanted
};

// c (s,s), f32 or f64. At most ⌈n/2⌉ products of (s,s) matrices, the gradient included.
Expansion expand_series(const Tensor& c, std::int64_t order, double factor,
                        bool want_gradient);
Expansion expand_exact(const Tensor& c, double factor, bool want_gradient);  // by LU
// The same for symmetric C without eigenvalues below −1, by Cholesky. (The gradient still takes
// LU's inverse: no kernel inverts a triangle.)
Expansion expand_symmetric(const Tensor& c, double factor, bool want_gradient);

Tensor value_of(const Expansion& expansion);  // (1), T

}  // namespace mec
