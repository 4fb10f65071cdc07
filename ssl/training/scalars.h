// StepScalars: the learning rate and the teacher's coefficient of a step, in one small block of
// device memory that the kernels read.
//
// A recorded step bakes in its host numbers; only numbers in device memory can change between
// replays. Those that an objective schedules lie in its own tensors (Objective::before_step).
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

// The host's side of the block.
struct StepValues {
  double lr = 0;
  double ema = 1;  // the teacher keeps this share of itself
};

class StepScalars {
 public:
  StepScalars(Dtype dtype, const Device& device);

  void set(const StepValues& values) const;  // uploads: before the step, never inside a recording
  Tensor lr() const { return block_.segment(0, {1}); }
  Tensor ema() const { return block_.segment(1, {1}); }

 private:
  Tensor block_;  // (2)
};

}  // namespace mec
