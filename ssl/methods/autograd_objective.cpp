#include "mec/ssl/methods/autograd_objective.h"

#include "mec/tensor/ops.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

void check_figures(const std::string& method, const std::vector<std::string>& names, const std::vector<Variable>& figures) {
  check<ValueError>(!figures.empty() && figures.size() == names.size(), method, ": the traits name ", names.size(),
                    " figures (", joined(names), "), but forward() returned ", figures.size());
  for (std::size_t i = 0; i < figures.size(); ++i) {
    check<ShapeError>(figures[i].data().numel() == 1, method, ": ", names[i], " is one number, but forward() returned ",
                      figures[i].shape(), "; take its sum() or mean()");
  }
}

// (figures), each times the pair's weight.
Tensor record_of(const std::vector<Variable>& figures, double weight) {
  std::vector<Tensor> weighted;
  for (const Variable& figure : figures) weighted.push_back(scale(figure.data(), weight));
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
  check_figures(name(), figures(), values);
  PairResult out{.record = record_of(values, options.weight), .dp = {}, .dz = {}};
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
