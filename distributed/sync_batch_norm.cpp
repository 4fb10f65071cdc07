#include "mec/distributed/sync_batch_norm.h"

#include "mec/tensor/ops.h"

namespace mec {

// Of R ranks with as many rows each: mean = (1/R) Σ mean_r, var = (1/R) Σ [var_r + (mean_r −
// mean)²] (Chan, Golub & LeVeque 1979).
BatchNormStatistics SyncBatchNorm::merge(const BatchNormStatistics& own) const {
  const std::int64_t channels = own.mean.dim(0);
  const Tensor all = ranks_->all_gather(cat({own.mean.reshape({1, channels}), own.var.reshape({1, channels})}));
  const auto row = [&](std::int64_t i) { return all.rows(i, i + 1).reshape({channels}); };
  const double share = 1.0 / static_cast<double>(processes());
  BatchNormStatistics merged{Tensor::zeros(own.mean.shape(), own.mean.dtype(), own.mean.device()),
                             Tensor::zeros(own.var.shape(), own.var.dtype(), own.var.device())};
  for (std::int64_t rank = 0; rank < processes(); ++rank) axpby(row(2 * rank), merged.mean, {.alpha = share, .beta = 1.0});
  for (std::int64_t rank = 0; rank < processes(); ++rank) {
    const Tensor apart = sub(row(2 * rank), merged.mean);
    axpby(add(row(2 * rank + 1), mul(apart, apart)), merged.var, {.alpha = share, .beta = 1.0});
  }
  return merged;
}

BatchNormSums SyncBatchNorm::sum(const BatchNormSums& own) const {
  const std::int64_t channels = own.dgamma.dim(0);
  const Tensor both = cat({own.dgamma, own.dbeta});
  ranks_->all_reduce(both);
  return {both.segment(0, {channels}), both.segment(channels, {channels})};
}

}  // namespace mec
