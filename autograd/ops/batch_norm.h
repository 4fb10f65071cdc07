// Batch norm with residual add and ReLU folded in, as one operation.
#pragma once

#include "mec/autograd/variable.h"
#include "mec/tensor/ops/batch_norm.h"

namespace mec {

// Of a batch whose rows are spread over processes, as many in each: turns what one of them has into
// what all of them have.
class BatchNormAcross {
 public:
  virtual ~BatchNormAcross() = default;
  virtual std::int64_t processes() const = 0;
  virtual BatchNormStatistics merge(const BatchNormStatistics& own) const = 0;
  virtual BatchNormSums sum(const BatchNormSums& own) const = 0;
};

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool relu = false;
  bool training = true;        // normalise by the batch's own statistics, else by the running ones
  bool update_running = true;  // in training: fold the batch's statistics into the running ones
  // In training: where not null, the batch is that of all processes. Must outlive the graph.
  const BatchNormAcross* across = nullptr;
};

// y = ReLU(γ(x − mean)/√(var + eps) + β + residual) over the rows of x seen as (R,C). gamma, beta:
// (C) f32, both or neither; residual as x, or undefined. running: (C) f32, read in evaluation and
// updated in training. Gradients of gamma and beta are those of x's own rows. ShapeError for a
// mismatch; ValueError in training with a single row, whose variance is 0.
Variable batch_norm(const Variable& x, const Variable& gamma, const Variable& beta, const Variable& residual,
                    const BatchNormStatistics& running, const BatchNormOptions& options = {});

}  // namespace mec
