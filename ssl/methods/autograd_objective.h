// Objectives whose loss is written in Variables: its gradients are those of autograd.
#pragma once

#include "mec/autograd/variable.h"
#include "mec/ssl/methods/pair_objective.h"

namespace mec {

// A PairObjective without a derivative by hand: forward() computes the loss of a pair, and pair()
// takes its gradients with backward(). docs/add_an_objective.md writes one, and says what a
// derivative by hand would save.
class AutogradObjective : public PairObjective {
 public:
  explicit AutogradObjective(PairTraits traits = {}) : PairObjective(std::move(traits)) {}

  // p, z (m,d), not empty -> the traits' figures in their order, one number each. The first is the
  // loss, and the only one that is differentiated. Without the weight of the pair. Operations on
  // Variables alone, no item(): a recorded step replays them.
  virtual std::vector<Variable> forward(const Variable& p, const Variable& z) const = 0;

  // A side whose gradient is not asked for is a constant in forward(). Beside the errors of
  // check_pair: ShapeError for a figure of more than one element; ValueError for another number of
  // figures than the traits', and for a loss that nothing asked for enters.
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override;
};

}  // namespace mec
