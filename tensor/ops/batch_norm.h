// Batch norm (Ioffe & Szegedy 2015) over the rows of x seen as (R,C), C the last dimension, with
// residual add and ReLU folded in.
//
// Four kernels, two in each direction: statistics and apply, gradient sums and gradient. In
// between, statistics or sums can be combined across processes.
#pragma once

#include "mec/tensor/kernels/batch_norm.h"
#include "mec/tensor/kernels/convolution.h"
#include "mec/tensor/tensor.h"

namespace mec {

struct BatchNormStatistics {
  Tensor mean;  // (C)
  Tensor var;   // (C), divided by R
};
// Statistics of any floating x, in f32 (f64 for f64); NaN for a channel with a value that is not
// finite. ShapeError when there is not even one row.
BatchNormStatistics batch_norm_statistics(const Tensor& x);

// running ← (1 − momentum)·running + momentum·batch, with the unbiased variance R/(R−1)·var as
// PyTorch keeps it.
void batch_norm_update_running(const BatchNormStatistics& batch, const BatchNormStatistics& running, std::int64_t rows,
                               double momentum);

// y = γ(x − mean)/√(var + eps) + β (+ add), then ReLU where asked. gamma and beta (C), both or
// neither; add as x, or undefined.
Tensor batch_norm_apply(const Tensor& x, const BatchNormStatistics& statistics, const Tensor& gamma, const Tensor& beta,
                        const Tensor& add, const BatchNormArgs& args);

// The same of conv2d(x, w, args), without writing that to memory where the device can. add as the
// result, or undefined.
Tensor conv2d_batch_norm(const Tensor& x, const Tensor& w, const BatchNormStatistics& statistics, const Tensor& gamma,
                         const Tensor& beta, const Tensor& add, const Conv2dArgs& args, const BatchNormArgs& norm);

struct BatchNormSums {
  Tensor dgamma;  // (C), Σ g x̂
  Tensor dbeta;   // (C), Σ g, with g = dy where the output is positive or NaN under ReLU, else dy
};
// y is the output, needed under ReLU where a residual was added; undefined otherwise: x tells the
// output's sign.
BatchNormSums batch_norm_grad_reduce(const Tensor& dy, const Tensor& x, const Tensor& y, const BatchNormStatistics& statistics,
                                     const Tensor& gamma, const Tensor& beta, const BatchNormArgs& args);

struct BatchNormInputGrads {
  Tensor dx;
  Tensor dadd;  // g; undefined unless it was asked for
};
// Gradient of x where `statistics` came from `count` rows that include it.
BatchNormInputGrads batch_norm_grad_apply(const Tensor& dy, const Tensor& x, const Tensor& y,
                                          const BatchNormStatistics& statistics, const Tensor& gamma, const Tensor& beta,
                                          const BatchNormSums& sums, double count, bool want_dadd, const BatchNormArgs& args);

}  // namespace mec
