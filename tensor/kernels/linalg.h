// Decompositions of square matrices, f32 and f64.
#pragma once

#include <cmath>

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {
namespace kernel {

// In place: a becomes LU of PA = LU; pivots i32, numbered as the device's own LuInverse expects
// them; log_det (2) = {log|det|, sign of det}, {−∞, 0} when singular, {NaN, NaN} when a factor is
// not finite, which is so whenever an element of a is not; the factors are undetermined then.
struct Lu {
  static constexpr auto name = "lu";
  Out a, pivots, log_det;

  double flops() const { return 2.0 / 3.0 * std::pow(static_cast<double>(a.shape[0]), 3); }
};

// All NaN where the determinant's sign is 0 or NaN.
struct LuInverse {
  static constexpr auto name = "lu_inverse";
  In lu, pivots;
  Out inverse;

  double flops() const { return 4.0 / 3.0 * std::pow(static_cast<double>(lu.shape[0]), 3); }
};

// In place: the lower triangle becomes L of A = LLᵀ; log_det (2) = {log det, 1}, or {NaN, 0} when A
// is not positive definite or not finite, and L is undetermined.
struct Cholesky {
  static constexpr auto name = "cholesky";
  Out a, log_det;

  double flops() const { return 1.0 / 3.0 * std::pow(static_cast<double>(a.shape[0]), 3); }
};

}  // namespace kernel

using LinalgKernels = Family<kernel::Lu, kernel::LuInverse, kernel::Cholesky>;

}  // namespace mec
