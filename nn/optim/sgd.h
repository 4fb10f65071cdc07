// Stochastic gradient descent with momentum, and LARS.
#pragma once

#include <optional>

#include "mec/nn/optim/optimizer.h"

namespace mec {

struct SgdOptions {
  double lr = 1e-3;  // of step() without an lr
  double momentum = 0;
  // Where set: LARS with this trust coefficient (You, Gitman & Ginsburg 2017), commonly 0.001.
  std::optional<double> lars_eta = {};
};

// v ← μv + (g + wd·w), w ← w − lr·v, as torch.optim.SGD without dampening.
class Sgd final : public Optimizer {
 public:
  // ValueError for a momentum outside [0,1) or a trust coefficient that is not positive.
  explicit Sgd(ParameterTable& table, const SgdOptions& options = {});

  std::vector<NamedBuffer> state() const override { return {{"momentum", momentum_}}; }

 private:
  void update(const ParameterTable::Group& group, const Tensor& gradients, const StepInputs& inputs) override;

  SgdOptions options_;
  Tensor momentum_;  // (P)
};

}  // namespace mec
