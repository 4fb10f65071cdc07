#include "mec/nn/optim/optimizer.h"

#include <cmath>

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

Optimizer::Optimizer(ParameterTable& table, double lr)
    : table_(table), device_lr_({1}, table.values().dtype(), table.values().device()) {
  set_lr(lr);
  const Tensor& values = table.values();
  for (const auto& group : table.groups()) {
    const auto constant = group.rule.constant_lr;
    groups_.push_back(
        {constant ? Tensor::full({1}, *constant, values.dtype(), values.device()) : Tensor(), trainable_mask(table, group)});
  }
}

Tensor Optimizer::zeros_like_table() const {
  const Tensor& values = table_.values();
  return Tensor::zeros(values.shape(), values.dtype(), values.device());
}

void Optimizer::set_lr(double lr) {
  check<ValueError>(std::isfinite(lr) && lr >= 0, "optimiser: the learning rate lr is finite and not negative, but is ", lr);
  lr_ = lr;
  device_lr_.fill(lr);
}

void Optimizer::step(const Tensor& lr, const Tensor& when) {
  check<DtypeError>(lr.dtype() == table_.values().dtype(), "optimiser: the learning rate lr must be ", table_.values().dtype(),
                    " like the parameters, but is ", lr.dtype());
  const Tensor& gradients = table_.gradients();
  begin_step(when);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto& group = table_.groups()[g];
    if (group.begin == group.end) continue;
    update(group, group.of(gradients),
           {.lr = groups_[g].constant_lr ? groups_[g].constant_lr : lr, .trainable = groups_[g].trainable, .when = when});
  }
}

}  // namespace mec
