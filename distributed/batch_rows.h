// BatchRows: the rows of a batch, of which each rank has a part.
//
// A loss that takes its sums over rows with it is one formula for two cases: all rows are here, or
// this rank has its own and what is said of all comes from all ranks. Results are the same on all
// of them, to the bit.
#pragma once

#include "mec/autograd/ops/batch_norm.h"
#include "mec/distributed/communicator.h"

namespace mec {

class BatchRows {
 public:
  // All rows are here: each function returns what it is given.
  BatchRows() = default;
  // As many rows on each rank, rank 0's first.
  explicit BatchRows(CommunicatorPtr ranks) : ranks_(std::move(ranks)) {}

  int ranks() const { return ranks_ ? ranks_->size() : 1; }
  // Rows of all ranks, where these are a rank's own.
  std::int64_t count(const Tensor& own) const { return own.dim(0) * ranks(); }
  // Σ over ranks of what each has summed over its rows. DtypeError unless f32 or f64.
  Tensor sum(Tensor own) const;
  Tensor gather(const Tensor& own) const;  // (n,…) of each rank -> (m,…)
  Tensor own(const Tensor& all) const;     // and back: (m,…) -> (n,…)
  // Mean and variance of each column over all rows.
  BatchNormStatistics statistics(const Tensor& own) const;

 private:
  CommunicatorPtr ranks_;
};

}  // namespace mec
