// Maximum Entropy Coding as an objective: every student view against every other view's teacher
// embedding.
#pragma once

#include "mec/ssl/losses/pair.h"
#include "mec/ssl/methods/lambda_schedule.h"
#include "mec/ssl/methods/pair_objective.h"
#include "mec/ssl/settings.h"

namespace mec {

struct MecSettings {
  std::int64_t order = 4;
  bool exact = false;
  Side side = Side::automatic;
  bool symmetrize = false;
  OnDivergence on_divergence = OnDivergence::adapt;
  double eps2 = 64;
  // false: the teachers are the student's own projections, as in SimSiam.
  bool ema_teacher = true;
  // Above 1: the loss sums the coding lengths of so many components of each batch (mec_mixture.h).
  std::int64_t components = 1;
  double temperature = 0.1;     // of the softmax that assigns the rows to components
  // 1/λ, and so ε², starts at this multiple of its value and falls to it linearly.
  double lambda_warmup_factor = 8;
  WarmupLength lambda_warmup{.epochs = 10};

  CodingOptions coding() const;  // without the weight of a pair
};
// The settings of a run whose method is mec.
MecSettings mec_settings(const PretrainSettings& settings);

// The loss is the mean over ordered pairs (v, w), v ≠ w, of the pair loss of student v and teacher
// w: for two views the official ½[T(C₁₂) + T(C₂₁)]·(−1/λ)/m. Metrics: loss, coding_length (nats per
// batch), spectral_norm (the largest ‖λPZᵀ‖₂), eps2_effective (the largest), determinant_sign when
// exact (the smallest). Scheduled: lambda.
class MecObjective : public PairObjective {
 public:
  // Ignores the components, temperature and warm-up in `settings`. λ comes from `lambda`; without
  // it, λ is d/(m ε²) of the rows given.
  explicit MecObjective(const MecSettings& settings) : MecObjective(settings, LambdaSchedule(settings.eps2)) {}
  MecObjective(const MecSettings& settings, LambdaSchedule lambda);

  std::string name() const override { return "mec"; }
  // The metrics are those of coding_length_pair.
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override;
  Metrics summarize(const std::vector<std::vector<double>>& parts) const override;
  // NumericalError: the norm reached 1 under OnDivergence::stop, or det(I + C) ≤ 0 in exact mode.
  void check_step(const Metrics& metrics) const override;
  void before_step(std::int64_t step, std::int64_t steps_per_epoch) override { lambda_.before_step(step, steps_per_epoch); }
  Metrics scheduled() const override { return lambda_.scheduled(); }

 private:
  MecSettings settings_;
  LambdaSchedule lambda_;
};

}  // namespace mec
