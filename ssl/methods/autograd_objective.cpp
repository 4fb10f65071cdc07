#include "mec/ssl/methods/autograd_objective.h"

#include "mec/tensor/ops.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

void check_metrics(const std::string& method, const std::vector<std::string>& names, const std::vector<Variable>& metrics) {
  check<ValueError>(!metrics.empty() && metrics.size() == names.size(), method, ": the traits name ", names.size(),
                    " metrics (", joined(names), "), but forward() returned ", metrics.size());
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    check<ShapeError>(metrics[i].data().numel() == 1, method, ": ", names[i], " is one number, but forward() returned ",
                      metrics[i].shape(), "; take its sum() or mean()");
  }
}

// (metrics), each times the pair's weight.
Tensor weighted_metrics(const std::vector<Variable>& metrics, double weight) {
  std::vector<Tensor> weighted;
  for (const Variable& metric : metrics) weighted.push_back(scale(metric.data(), weight));
  return join(weighted);
}

// Undefined for a constant; zeros for a side that the loss does not use.
Tensor gradient_of(const Variable& side) {
  if (!side.requires_grad()) return {};
  return side.grad() ? side.grad() : Tensor::zeros(side.shape(), side.data().dtype(), side.data().device());
}

}  // namespace

PairResult AutogradObjective::pair(const Tensor& p, const Tensor& z, const PairOptions& options) const {
  check_pair(name(), p, z);
  const Variable P(p, options.dp), Z(z, options.dz);
  const std::vector<Variable> values = forward(P, Z);
  check_metrics(name(), metrics(), values);
  PairResult out{.metrics = weighted_metrics(values, options.weight), .dp = {}, .dz = {}};
  if (!options.dp && !options.dz) return out;

  const Variable& loss = values.front();
  check<ValueError>(loss.requires_grad(), name(), ": no gradient reaches the loss; forward() computes it from p and z as ",
                    "Variables, without data(), and outside NoGrad");
  backward({loss}, {Tensor::full(loss.shape(), options.weight, loss.data().dtype(), p.device())});
  out.dp = gradient_of(P);
  out.dz = gradient_of(Z);
  return out;
}

}  // namespace mec
