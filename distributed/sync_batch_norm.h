// Batch norm over the rows of several ranks: of all, or of a group.
#pragma once

#include "mec/autograd/ops/batch_norm.h"
#include "mec/distributed/communicator.h"

namespace mec {

// One gather of mean and variance in the forward pass, one sum of two vectors in the backward pass.
// Every rank has the same number of rows.
class SyncBatchNorm : public BatchNormAcross {
 public:
  explicit SyncBatchNorm(CommunicatorPtr ranks) : ranks_(std::move(ranks)) {}

  std::int64_t processes() const override { return ranks_->size(); }
  BatchNormStatistics merge(const BatchNormStatistics& own) const override;
  BatchNormSums sum(const BatchNormSums& own) const override;

 private:
  CommunicatorPtr ranks_;
};

}  // namespace mec
