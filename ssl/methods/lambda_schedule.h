// λ of the coding length from step to step, in device memory.
#pragma once

#include <cstdint>

#include "mec/distributed/batch_rows.h"
#include "mec/ssl/methods/objective.h"
#include "mec/ssl/settings.h"
#include "mec/tensor/tensor.h"

namespace mec {

// m and d of a batch, ε², and the warm-up in which 1/λ falls to m ε²/d from a multiple of it.
struct LambdaOptions {
  std::int64_t rows = 1, width = 1;
  double eps2 = 64;
  double warmup_factor = 1;
  WarmupLength warmup;
};

class LambdaSchedule {
 public:
  // No schedule: λ = d/(m ε²) of the rows given to of().
  explicit LambdaSchedule(double eps2) { options_.eps2 = eps2; }
  // dtype and device are those of the embeddings. ValueError, naming the run's setting, for values
  // out of range or beyond f32.
  LambdaSchedule(const LambdaOptions& options, Dtype dtype, const Device& device);

  // Steps from 0. Never inside a recording, which would replay the same number.
  void before_step(std::int64_t step, std::int64_t steps_per_epoch);
  Metrics scheduled() const;  // {"lambda", of the step}, where there is a schedule

  // The step's λ (1); before the first step, the λ that the warm-up ends at. Without a schedule
  // d/(m ε²) of this batch: z (m,d), or a rank's own rows of it.
  Tensor of(const Tensor& z, const BatchRows& rows = {}) const;

 private:
  LambdaOptions options_;
  Tensor lambda_;  // (1); undefined without a schedule
  double value_ = 0;
};

}  // namespace mec
