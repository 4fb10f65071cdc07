// Maximum Entropy Coding as an objective: every student view against every other view's teacher embedding.
#pragma once

#include "mec/ssl/coding/pair.h"
#include "mec/ssl/objective.h"

namespace mec {

struct MecSettings {
  std::int64_t order = 4;
  bool exact = false;
  Side side = Side::automatic;
  bool symmetrize = false;
  OnDivergence on_divergence = OnDivergence::adapt;
  double eps2 = 64;  // only for reporting eps2_effective; λ itself comes with the step's scalars
};

// The loss is the mean over ordered pairs (v, w), v ≠ w, of the pair loss of student v and teacher w: for two views the official
// ½[T(C₁₂) + T(C₂₁)]·(−1/λ)/m. Metrics: loss, coding_length (nats per batch), spectral_norm (the largest ‖λPZᵀ‖₂), eps2_effective (the
// largest), determinant_sign when exact (the smallest).
class MecObjective : public Objective {
 public:
  explicit MecObjective(const MecSettings& settings);

  std::string name() const override { return "mec"; }
  bool view_by_view() const override { return true; }
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepScalars& scalars) const override;
  Metrics summarize(const std::vector<std::vector<double>>& records) const override;
  // NumericalError: the norm reached 1 under OnDivergence::stop, or det(I + C) ≤ 0 in exact mode.
  void check_step(const Metrics& metrics) const override;

 private:
  MecSettings settings_;
};

}  // namespace mec
