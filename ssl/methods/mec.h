// Maximum Entropy Coding as an objective: every student view against every other view's teacher embedding.
#pragma once

#include "mec/ssl/losses/pair.h"
#include "mec/ssl/methods/pair_objective.h"

namespace mec {

struct MecSettings {
  std::int64_t order = 4;
  bool exact = false;
  Side side = Side::automatic;
  bool symmetrize = false;
  OnDivergence on_divergence = OnDivergence::adapt;
  double eps2 = 64;         // in a step, λ comes with its scalars and this only serves to report eps2_effective
  bool ema_teacher = true;  // false: the teachers are the student's own projections, as in SimSiam
};

// The loss is the mean over ordered pairs (v, w), v ≠ w, of the pair loss of student v and teacher w: for two views the official
// ½[T(C₁₂) + T(C₂₁)]·(−1/λ)/m. Metrics: loss, coding_length (nats per batch), spectral_norm (the largest ‖λPZᵀ‖₂), eps2_effective (the
// largest), determinant_sign when exact (the smallest).
class MecObjective : public PairObjective {
 public:
  explicit MecObjective(const MecSettings& settings);

  std::string name() const override { return "mec"; }
  // λ is the step's, or without one d/(m ε²). The record is that of coding_length_pair.
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override;
  Metrics summarize(const std::vector<std::vector<double>>& records) const override;
  // NumericalError: the norm reached 1 under OnDivergence::stop, or det(I + C) ≤ 0 in exact mode.
  void check_step(const Metrics& metrics) const override;

 private:
  MecSettings settings_;
};

}  // namespace mec
