#include "mec/distributed/batch_rows.h"

#include "mec/distributed/sync_batch_norm.h"

namespace mec {

Tensor BatchRows::sum(Tensor own) const {
  if (ranks() == 1) return own;
  const Tensor total = own.is_unique() ? own : own.clone();
  ranks_->all_reduce(total);
  return total;
}

Tensor BatchRows::gather(const Tensor& own) const { return ranks() == 1 ? own : ranks_->all_gather(own); }

Tensor BatchRows::own(const Tensor& all) const {
  if (ranks() == 1) return all;
  check<ShapeError>(all.dim(0) % ranks() == 0, "rows: ", all.shape(), " has no ", ranks(), " equal parts");
  const std::int64_t part = all.dim(0) / ranks();
  return all.rows(ranks_->rank() * part, (ranks_->rank() + 1) * part);
}

BatchNormStatistics BatchRows::statistics(const Tensor& own) const {
  const BatchNormStatistics here = batch_norm_statistics(own);
  return ranks() == 1 ? here : SyncBatchNorm(ranks_).merge(here);
}

}  // namespace mec
