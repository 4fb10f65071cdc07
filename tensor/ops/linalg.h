// Decompositions of square matrices, f32 or f64.
#pragma once

#include "mec/tensor/kernels/linalg.h"
#include "mec/tensor/tensor.h"

namespace mec {

struct Lu {
  Tensor lu;      // (n,n), L below the unit diagonal and U above, of PA = LU
  Tensor pivots;  // (n) i32, row swaps from the first row on
  // (2): log|det A| and the sign of det A; −∞ and 0 when A is singular, NaN when it is not finite.
  Tensor log_det;
};
Lu lu(const Tensor& a);
Tensor lu_inverse(const Lu& factors);  // A⁻¹; NaN throughout when A is singular or not finite

struct Cholesky {
  Tensor lower;  // (n,n), L of A = LLᵀ; above the diagonal is undetermined
  // (2): log det A and 1, or NaN and 0 when A is not positive definite, or not finite.
  Tensor log_det;
};
Cholesky cholesky(const Tensor& a);  // reads the lower triangle

}  // namespace mec
