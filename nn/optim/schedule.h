// Schedules as pure functions of the step, as the official recipe of MEC has them. A run may be
// shorter than its warm-up.
#pragma once

#include <cstdint>

namespace mec {

// Steps count from 0. The warm-up's first step has the start value and its last the full one.
struct ScheduleLength {
  std::int64_t total = 1;
  std::int64_t warmup = 0;
};

// Learning rate: from 0 linearly to `peak` over the warm-up, then peak·½(1 + cos(π (s − W)/(T −
// W))). ValueError for a negative step or length, here and below.
double warmup_cosine(std::int64_t step, double peak, const ScheduleLength& length);

// The teacher's coefficient: from `base` to `end` by a cosine over all steps.
double ema_coefficient(std::int64_t step, double base, std::int64_t total, double end = 1.0);

// What 1/λ is multiplied by: from `first` linearly to 1 over the warm-up, so that the series
// converges while embeddings are still alike.
double inverse_lambda_factor(std::int64_t step, std::int64_t warmup, double first = 8.0);

}  // namespace mec
