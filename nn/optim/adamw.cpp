#include "mec/nn/optim/adamw.h"

#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/optimizer.h"

namespace mec {

AdamW::AdamW(ParameterTable& table, const AdamWOptions& options)
    : Optimizer(table, options.lr), options_(options), first_(zeros_like_table()), second_(zeros_like_table()) {
  for (const double beta : {options.beta1, options.beta2})
    check<ValueError>(beta >= 0 && beta < 1, "AdamW: beta1 and beta2 lie in [0,1), but one is ", beta);
  check<ValueError>(options.eps > 0, "AdamW: eps is positive, but is ", options.eps);
  const Device& device = first_.device();
  const auto pair = [&](double a, double b) { return Tensor::from<double>({a, b}, {2}, device).to(first_.dtype()); };
  betas_ = pair(options.beta1, options.beta2);
  rest_ = pair(1 - options.beta1, 1 - options.beta2);
  correction_ = pair(0, 0);
}

// 1 − βᵗ = β(1 − βᵗ⁻¹) + (1 − β), which loses no digits where βᵗ is almost 1.
void AdamW::begin_step(const Tensor& when) {
  const Tensor next = add(mul(correction_, betas_), rest_);
  if (when) copy_when(when, next, correction_);
  else correction_.copy_from(next);
}

void AdamW::update(const ParameterTable::Group& group, const Tensor& gradients, const StepInputs& inputs) {
  adamw_update(group.of(table().values()), gradients, group.of(first_), group.of(second_), inputs.lr, correction_,
               group.offsets, inputs.trainable,
               {.lr_factor = group.rule.lr_factor,
                .beta1 = options_.beta1,
                .beta2 = options_.beta2,
                .eps = options_.eps,
                .weight_decay = group.rule.weight_decay},
               inputs.when);
}

}  // namespace mec
