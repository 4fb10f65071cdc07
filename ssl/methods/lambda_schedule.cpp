#include "mec/ssl/methods/lambda_schedule.h"

#include "mec/nn/optim/schedule.h"
#include "mec/ssl/losses/pair.h"

namespace mec {

LambdaSchedule::LambdaSchedule(const LambdaOptions& options, Dtype dtype, const Device& device)
    : options_(options) {
  check<ValueError>(options.eps2 > 0, "mec.eps2 is positive, but is ", options.eps2);
  check<ValueError>(options.warmup_factor >= 1, "mec.lambda_warmup_factor is at least 1, but is ", options.warmup_factor);
  value_ = coding_lambda(options.rows, options.width, options.eps2);
  lambda_ = Tensor::full({1}, value_, dtype, device);
  const double first = value_ / options.warmup_factor;
  check<ValueError>(fits_f32(first), "mec.lambda_warmup_factor is ", options.warmup_factor, ", so that lambda begins at ",
                    first, ", which f32 does not hold");
}

void LambdaSchedule::before_step(std::int64_t step, std::int64_t steps_per_epoch) {
  if (!lambda_) return;
  value_ = coding_lambda(options_.rows, options_.width, options_.eps2) /
           inverse_lambda_factor(step, options_.warmup.in_steps(steps_per_epoch), options_.warmup_factor);
  lambda_.fill(value_);
}

Metrics LambdaSchedule::scheduled() const {
  if (!lambda_) return {};
  return {{"lambda", value_}};
}

Tensor LambdaSchedule::of(const Tensor& z, const BatchRows& rows) const {
  return lambda_ ? lambda_ : coding_lambda(z, options_.eps2, rows);
}

}  // namespace mec
