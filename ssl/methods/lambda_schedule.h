// λ of the coding length from step to step, in device memory.
#pragma once

#include <cstdint>

#include "mec/ssl/methods/objective.h"
#include "mec/ssl/settings.h"
#include "mec/tensor/tensor.h"

namespace mec {

// m and d of a batch, its ε², and how 1/λ falls to m ε²/d from a multiple of it.
struct LambdaOptions {
  std::int64_t rows = 1, width = 1;
  double eps2 = 64;
  double warmup_factor = 1;
  WarmupLength warmup;
};

class LambdaSchedule {
 public:
  // No schedule: d/(m ε²) of the rows given.
  explicit LambdaSchedule(double eps2) { options_.eps2 = eps2; }
  // ValueError, by the names of the run's settings, for what f32 does not hold. dtype and device
  // are those of the embeddings.
  LambdaSchedule(const LambdaOptions& options, Dtype dtype, const Device& device);

  // Steps from 0. Never inside a recording, which would keep the number.
  void before_step(std::int64_t step, std::int64_t steps_per_epoch);
  Metrics scheduled() const;  // {"lambda", of the step}, where there is a schedule

  // The step's λ (1), that of the last step before the first one. Without a schedule d/(m ε²) of
  // these rows (m,d).
  Tensor of(const Tensor& rows) const;

 private:
  LambdaOptions options_;
  Tensor lambda_;  // (1); undefined without a schedule
  double value_ = 0;
};

}  // namespace mec
