#include "mec/autograd/ops/batch_norm.h"

#include "mec/tensor/ops/elementwise.h"

namespace mec {

namespace {

Tensor data_of(const Variable& v) { return v ? v.data() : Tensor(); }

// In evaluation the statistics are constants, so only the affine map's gradient remains: dx =
// g·γ/√(var + eps). The training rule gives exactly this when both sums are zero.
BatchNormSums zero_sums(const Tensor& like) {
  return {Tensor::zeros(like.shape(), like.dtype(), like.device()), Tensor::zeros(like.shape(), like.dtype(), like.device())};
}

}  // namespace

Variable batch_norm(const Variable& x, const Variable& gamma, const Variable& beta, const Variable& residual,
                    const BatchNormStatistics& running, const BatchNormOptions& options) {
  const Tensor& X = x.data();
  const BatchNormAcross* const across = options.training ? options.across : nullptr;
  const std::int64_t own_rows = X.dim(-1) ? X.numel() / X.dim(-1) : 0,
                     rows = across ? own_rows * across->processes() : own_rows;
  check<ValueError>(!options.training || rows > 1, "batch_norm: statistics of a batch need at least two rows, but ", X.shape(),
                    " has ", rows, "; use a larger batch, or evaluation mode");
  BatchNormStatistics statistics = options.training ? batch_norm_statistics(X) : running;
  if (across) statistics = across->merge(statistics);
  const BatchNormArgs args{.eps = options.eps, .relu = options.relu};
  const Tensor gamma_data = data_of(gamma), beta_data = data_of(beta);
  const Tensor y = batch_norm_apply(X, statistics, gamma_data, beta_data, data_of(residual), args);
  if (options.training && options.update_running) batch_norm_update_running(statistics, running, rows, options.momentum);

  // y is kept only with a residual. Without one, x and the statistics tell where ReLU let the
  // gradient through, and one pass over x computes y again.
  Variable out = record("batch_norm", y, {x, gamma, beta, residual},
                        [X = x.saved(), Y = options.relu && residual ? y : Tensor(), statistics, G = gamma_data, B = beta_data,
                         rows, args, across, training = options.training](const Tensor& dy, const Needs& need) -> Grads {
                          const Tensor in = X.get();
                          const BatchNormSums sums = batch_norm_grad_reduce(dy, in, Y, statistics, G, B, args);
                          BatchNormInputGrads grads;
                          if (need[0] || need[3]) {
                            const BatchNormSums all = across ? across->sum(sums) : sums;
                            grads =
                                batch_norm_grad_apply(dy, in, Y, statistics, G, B, training ? all : zero_sums(statistics.mean),
                                                      static_cast<double>(rows), need[3], args);
                          }
                          return {grads.dx, sums.dgamma, sums.dbeta, grads.dadd};
                        });
  if (!residual) {
    out.set_recompute([X = x.saved(), statistics, G = gamma_data, B = beta_data, args] {
      return batch_norm_apply(X.get(), statistics, G, B, {}, args);
    });
  }
  return out;
}

}  // namespace mec
