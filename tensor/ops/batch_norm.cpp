#include "mec/tensor/ops/batch_norm.h"

#include <algorithm>

#include "mec/tensor/ops/common.h"
#include "mec/tensor/ops/convolution.h"
#include "mec/tensor/ops/elementwise.h"

namespace mec {
using namespace ops;

namespace {

void check_channels(const char* op, const Tensor& x, const Tensor& per_channel, const char* what) {
  check_device(op, {&x, &per_channel});
  check<ShapeError>(per_channel.shape() == Shape{x.dim(-1)}, op, ": ", what, " has one value for each of the ", x.dim(-1),
                    " channels of ", x.shape(), ", but is ", per_channel.shape());
  check_dtype(op, per_channel, accumulator_of(x.dtype()), what);
}

void check_input(const char* op, const Tensor& x, const BatchNormStatistics& statistics) {
  check_floating(op, x, "the input");
  check<ShapeError>(x.rank() >= 2 && x.numel() > 0, op, ": the input has rows and channels, but is ", x.shape());
  check_channels(op, x, statistics.mean, "the mean");
  check_channels(op, x, statistics.var, "the variance");
}

void check_affine(const char* op, const Tensor& x, const Tensor& gamma, const Tensor& beta) {
  check<ValueError>(static_cast<bool>(gamma) == static_cast<bool>(beta), op, ": gamma and beta come together or not at all");
  if (gamma) check_channels(op, x, gamma, "gamma");
  if (beta) check_channels(op, x, beta, "beta");
}

void check_like(const char* op, const Tensor& x, const Tensor& other, const char* what) {
  check_device(op, {&x, &other});
  check_same_shape(op, x, other);
  check_dtype(op, other, x.dtype(), what);
}

}  // namespace

BatchNormStatistics batch_norm_statistics(const Tensor& x) {
  check_floating("batch_norm", x, "the input");
  check<ShapeError>(x.rank() >= 2 && x.numel() > 0, "batch_norm: the input has rows and channels, but is ", x.shape());
  const Dtype dtype = accumulator_of(x.dtype());
  BatchNormStatistics s{Tensor({x.dim(-1)}, dtype, x.device()), Tensor({x.dim(-1)}, dtype, x.device())};
  x.backend().run(kernel::BatchNormStatistics{x, s.mean, s.var});
  return s;
}

void batch_norm_update_running(const BatchNormStatistics& batch, const BatchNormStatistics& running, std::int64_t rows,
                               double momentum) {
  const double unbiased = static_cast<double>(rows) / static_cast<double>(std::max<std::int64_t>(rows - 1, 1));
  axpby(batch.mean, running.mean, {.alpha = momentum, .beta = 1.0 - momentum});
  axpby(batch.var, running.var, {.alpha = momentum * unbiased, .beta = 1.0 - momentum});
}

Tensor batch_norm_apply(const Tensor& x, const BatchNormStatistics& statistics, const Tensor& gamma, const Tensor& beta,
                        const Tensor& add, const BatchNormArgs& args) {
  check_input("batch_norm", x, statistics);
  check_affine("batch_norm", x, gamma, beta);
  if (add) check_like("batch_norm", x, add, "the residual");
  Tensor y(x.shape(), x.dtype(), x.device());
  x.backend().run(kernel::BatchNormApply{x, statistics.mean, statistics.var, gamma, beta, add, y, args});
  return y;
}

Tensor conv2d_batch_norm(const Tensor& x, const Tensor& w, const BatchNormStatistics& statistics, const Tensor& gamma,
                         const Tensor& beta, const Tensor& add, const Conv2dArgs& args, const BatchNormArgs& norm) {
  constexpr const char* kName = "conv2d_batch_norm";
  Tensor y(conv2d_shape(kName, x, w, args), x.dtype(), x.device());
  check_input(kName, y, statistics);
  check_affine(kName, y, gamma, beta);
  if (add) check_like(kName, y, add, "the residual");
  x.backend().run(kernel::Conv2dBatchNorm{x, w, statistics.mean, statistics.var, gamma, beta, add, y, args, norm});
  return y;
}

BatchNormSums batch_norm_grad_reduce(const Tensor& dy, const Tensor& x, const Tensor& y, const BatchNormStatistics& statistics,
                                     const Tensor& gamma, const Tensor& beta, const BatchNormArgs& args) {
  check_input("batch_norm_grad", x, statistics);
  check_like("batch_norm_grad", x, dy, "the gradient");
  check_affine("batch_norm_grad", x, gamma, beta);
  if (y) check_like("batch_norm_grad", x, y, "the output");
  BatchNormSums sums{Tensor(statistics.mean.shape(), statistics.mean.dtype(), x.device()),
                     Tensor(statistics.mean.shape(), statistics.mean.dtype(), x.device())};
  x.backend().run(
      kernel::BatchNormGradReduce{dy, x, y, statistics.mean, statistics.var, gamma, beta, sums.dgamma, sums.dbeta, args});
  return sums;
}

BatchNormInputGrads batch_norm_grad_apply(const Tensor& dy, const Tensor& x, const Tensor& y,
                                          const BatchNormStatistics& statistics, const Tensor& gamma, const Tensor& beta,
                                          const BatchNormSums& sums, double count, bool want_dadd, const BatchNormArgs& args) {
  check_input("batch_norm_grad", x, statistics);
  check_like("batch_norm_grad", x, dy, "the gradient");
  check_affine("batch_norm_grad", x, gamma, beta);
  if (y) check_like("batch_norm_grad", x, y, "the output");
  check_channels("batch_norm_grad", x, sums.dgamma, "dgamma");
  check_channels("batch_norm_grad", x, sums.dbeta, "dbeta");
  BatchNormInputGrads grads{Tensor(x.shape(), x.dtype(), x.device()),
                            want_dadd ? Tensor(x.shape(), x.dtype(), x.device()) : Tensor()};
  x.backend().run(kernel::BatchNormGradApply{dy, x, y, statistics.mean, statistics.var, gamma, beta, sums.dgamma, sums.dbeta,
                                             count, grads.dx, grads.dadd, args});
  return grads;
}

}  // namespace mec
