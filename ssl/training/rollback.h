// Takes a step back that is not to be made: the step's loss or gradients are not finite, and
// train.on_nonfinite is "skip".
#pragma once

#include <vector>

#include "mec/ssl/methods/objective.h"
#include "mec/ssl/training/learner.h"

namespace mec {

// Whether a step is finite is known at its end, when the forward passes have changed the running
// statistics of batch norm, and the objective its state (a queue). These are copied as the step
// begins: next to nothing but for a queue, which takes its size once more. Parameters and what the
// optimiser keeps are large, and change only at the end: their kernels are told (Optimizer::step).
class Rollback {
 public:
  Rollback(Learner& learner, const Objective& objective);
  // (1), f32: `gradients` (1), f32, where all numbers of the metrics and of the running statistics
  // are finite, on all ranks, else 0. Where it is 0, all is again as it was. No host read-back:
  // recordable.
  Tensor unless_finite(const Tensor& gradients, const std::vector<Tensor>& metrics) const;

 private:
  struct Kept {
    Tensor tensor, before;
  };
  CommunicatorPtr ranks_;
  std::vector<Kept> kept_;
  std::vector<Tensor> statistics_;  // of those
};

}  // namespace mec
