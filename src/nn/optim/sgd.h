// Stochastic gradient descent with momentum, and LARS.
#pragma once

#include <optional>
#include <vector>

#include "mec/nn/parameter_table.h"

namespace mec {

struct SgdOptions {
  double momentum = 0.9;
  std::optional<double> lars_eta =
      {};  // where set: LARS with this trust coefficient (You, Gitman & Ginsburg 2017), commonly 0.001
};

// v ← μv + (g + wd·w), w ← w − rate·v, as torch.optim.SGD without dampening; see GroupRule for what differs between groups.
// Parameters that do not require a gradient stay as they are.
class Sgd {
 public:
  // The table outlives the optimiser. ValueError for a momentum outside [0,1) or a trust coefficient that is not positive.
  explicit Sgd(ParameterTable& table, const SgdOptions& options = {});

  // One update from table.gradients(); rate (1) lies in device memory, in the parameters' dtype. Low-precision copies follow.
  void step(const Tensor& rate);

  // What a checkpoint must hold beside the parameters; assigning to a tensor restores it.
  std::vector<NamedBuffer> state() const { return {{"momentum", momentum_}}; }

 private:
  struct GroupState {
    Tensor constant_rate;  // (1), where the group has one
    Tensor trainable;      // (S): 0 for an entry without gradient, else 1; undefined where all are 1
  };
  Tensor segment_rates(std::size_t group) const;

  ParameterTable& table_;
  SgdOptions options_;
  Tensor momentum_;                // (P)
  std::vector<GroupState> state_;  // of each group
};

}  // namespace mec
