#include "mec/nn/optim/schedule.h"

#include <cmath>
#include <numbers>

#include "mec/tensor/error.h"

namespace mec {

namespace {

// Value s of `count` evenly spaced ones from first to last; the first alone where there is but one.
double spaced(std::int64_t s, std::int64_t count, double first, double last) {
  return count > 1 ? first + (last - first) * static_cast<double>(s) / static_cast<double>(count - 1) : first;
}

// 1 at s = 0, falling to 0 at s = count.
double half_cosine(std::int64_t s, std::int64_t count) {
  return 0.5 * (1.0 + std::cos(std::numbers::pi * static_cast<double>(s) / static_cast<double>(count)));
}

void check_steps(const char* what, std::int64_t step, std::int64_t length) {
  check<ValueError>(step >= 0 && length >= 0, what, ": steps and lengths are not negative, but step is ", step, " and length ",
                    length);
}

}  // namespace

double warmup_cosine(std::int64_t step, double peak, const ScheduleLength& length) {
  check_steps("warmup_cosine", step, length.total);
  check_steps("warmup_cosine", step, length.warmup);
  if (step < length.warmup) return spaced(step, length.warmup, 0.0, peak);
  if (step >= length.total) return 0.0;
  return peak * half_cosine(step - length.warmup, length.total - length.warmup);
}

double ema_coefficient(std::int64_t step, double base, std::int64_t total, double end) {
  check_steps("ema_coefficient", step, total);
  return step < total ? end + (base - end) * half_cosine(step, total) : end;
}

double inverse_lambda_factor(std::int64_t step, std::int64_t warmup, double first) {
  check_steps("inverse_lambda_factor", step, warmup);
  return step < warmup ? spaced(step, warmup, first, 1.0) : 1.0;
}

}  // namespace mec
