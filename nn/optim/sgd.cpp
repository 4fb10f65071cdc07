#include "mec/nn/optim/sgd.h"

#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/optimizer.h"

namespace mec {

Sgd::Sgd(ParameterTable& table, const SgdOptions& options)
    : Optimizer(table, options.lr), options_(options), momentum_(zeros_like_table()) {
  check<ValueError>(options.momentum >= 0 && options.momentum < 1, "Sgd: momentum lies in [0,1), but is ", options.momentum);
  check<ValueError>(!options.lars_eta || *options.lars_eta > 0, "Sgd: the trust coefficient of LARS is positive, but is ",
                    options.lars_eta.value_or(0.0));
}

void Sgd::update(const ParameterTable::Group& group, const Tensor& gradients, const StepInputs& inputs) {
  const GroupRule& rule = group.rule;
  const Tensor weights = group.of(table().values());
  Tensor trust_ratios = inputs.trainable;
  if (options_.lars_eta && rule.lars) {
    const Tensor trust =
        lars_trust_ratios(weights, gradients, group.offsets, {.eta = *options_.lars_eta, .weight_decay = rule.weight_decay});
    trust_ratios = inputs.trainable ? mul(trust, inputs.trainable) : trust;
  }
  sgd_update(weights, gradients, group.of(momentum_), inputs.lr, group.offsets, trust_ratios,
             {.lr_factor = rule.lr_factor, .momentum = options_.momentum, .weight_decay = rule.weight_decay}, inputs.when);
}

}  // namespace mec
