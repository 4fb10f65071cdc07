#include "mec/nn/optim/sgd.h"

#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/optimizer.h"

namespace mec {

namespace {

Tensor trainable_mask(const ParameterTable& table, const ParameterTable::Group& group) {
  std::vector<double> mask;
  bool all = true;
  for (std::size_t i = group.first_entry; i < group.last_entry; ++i) {
    const bool trainable = table.entries()[i].variable.requires_grad();
    mask.push_back(trainable ? 1.0 : 0.0);
    all = all && trainable;
  }
  if (all) return {};
  const Tensor& values = table.values();
  return Tensor::from(mask, {static_cast<std::int64_t>(mask.size())}, values.device()).to(values.dtype());
}

}  // namespace

Sgd::Sgd(ParameterTable& table, const SgdOptions& options)
    : table_(table),
      options_(options),
      momentum_(Tensor::zeros(table.values().shape(), table.values().dtype(), table.values().device())) {
  check<ValueError>(options.momentum >= 0 && options.momentum < 1, "Sgd: momentum lies in [0,1), but is ", options.momentum);
  check<ValueError>(!options.lars_eta || *options.lars_eta > 0, "Sgd: the trust coefficient of LARS is positive, but is ",
                    options.lars_eta.value_or(0.0));
  for (const auto& group : table.groups()) {
    const auto constant = group.rule.constant_rate;
    state_.push_back({constant ? Tensor::full({1}, *constant, momentum_.dtype(), momentum_.device()) : Tensor(),
                      trainable_mask(table, group)});
  }
}

Tensor Sgd::segment_rates(std::size_t g) const {
  const auto& group = table_.groups()[g];
  const Tensor& trainable = state_[g].trainable;
  if (!options_.lars_eta || !group.rule.lars) return trainable;
  const Tensor rates = lars_rates(group.of(table_.values()), group.of(table_.gradients()), group.offsets,
                                  {.eta = *options_.lars_eta, .weight_decay = group.rule.weight_decay});
  return trainable ? mul(rates, trainable) : rates;
}

void Sgd::step(const Tensor& rate) {
  check<DtypeError>(rate.dtype() == momentum_.dtype(), "Sgd: the rate must be ", momentum_.dtype(),
                    " like the parameters, but is ", rate.dtype());
  const Tensor& gradients = table_.gradients();
  for (std::size_t g = 0; g < state_.size(); ++g) {
    const auto& group = table_.groups()[g];
    if (group.begin == group.end) continue;
    sgd_update(group.of(table_.values()), group.of(gradients), group.of(momentum_),
               state_[g].constant_rate ? state_[g].constant_rate : rate, group.offsets, segment_rates(g),
               {.rate_factor = group.rule.rate_factor, .momentum = options_.momentum, .weight_decay = group.rule.weight_decay});
  }
}

}  // namespace mec
