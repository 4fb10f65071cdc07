// Batch norm over the rows of (R,C): statistics and parameters are f32 (f64 for f64).
#pragma once

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

struct BatchNormArgs {
  double eps = 1e-5;
  bool relu = false;
};

namespace kernel {

// Biased variance. A channel whose mean is not finite has mean and variance NaN.
struct BatchNormStatistics {
  static constexpr auto name = "batch_norm_statistics";
  In x;
  Out mean, var;
};

// y = γ(x − mean)/√(var + eps) + β, then + add, then ReLU. gamma, beta and add may be empty; y may
// be x itself.
struct BatchNormApply {
  static constexpr auto name = "batch_norm_apply";
  In x, mean, var, gamma, beta, add;
  Out y;
  BatchNormArgs args;
};

// With g = dy where the ReLU's output is positive or NaN (or dy without ReLU): dgamma = Σ g x̂,
// dbeta = Σ g. Where y is empty, the sign of the output is that of γ(x − mean)/√(var + eps) + β: a
// caller that added a residual gives y.
struct BatchNormGradReduce {
  static constexpr auto name = "batch_norm_grad_reduce";
  In dy, x, y, mean, var, gamma, beta;
  Out dgamma, dbeta;
  BatchNormArgs args;
};

// dx from the sums above over `count` rows, and dadd = g where a residual was added. dx may be dy
// itself.
struct BatchNormGradApply {
  static constexpr auto name = "batch_norm_grad_apply";
  In dy, x, y, mean, var, gamma, beta, dgamma, dbeta;
  double count;
  Out dx, dadd;
  BatchNormArgs args;
};

}  // namespace kernel

using BatchNormKernels =
    Family<kernel::BatchNormStatistics, kernel::BatchNormApply, kernel::BatchNormGradReduce, kernel::BatchNormGradApply>;

}  // namespace mec
