// Objectives whose loss is written in Variables: its gradients are those of autograd.
#pragma once

#include "mec/autograd/variable.h"
#include "mec/ssl/methods/pair_objective.h"

namespace mec {

// A PairObjective without a hand-written derivative: forward() computes the loss of a pair, and
// pair() takes its gradients with backward(). docs/add_an_objective.md shows how to write one, and
// what a hand-written derivative would save.
class AutogradObjective : public PairObjective {
 public:
  explicit AutogradObjective(PairTraits traits = {}) : PairObjective(std::move(traits)) {}

  // p, z (m,d), not empty -> the traits' metrics in their order, one number each. The first is the
  // loss, and the only one that is differentiated. pair() applies the weight of the pair. Use
  // operations on Variables alone, no item(): a recorded step replays them.
  virtual std::vector<Variable> forward(const Variable& p, const Variable& z) const = 0;

  // A side whose gradient is not asked for is a constant in forward(). Beside the errors of
  // check_pair: ShapeError for a metric of more than one element; ValueError for another number of
  // metrics than the traits', and for a loss that depends on neither side whose gradient is asked
  // for.
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override;
};

}  // namespace mec
