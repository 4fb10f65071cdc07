// MEC with components: a weighted sum of the coding lengths of a batch's components, instead of the
// coding length of the whole batch.
#pragma once

#include "mec/ssl/losses/mixture.h"
#include "mec/ssl/methods/lambda_schedule.h"
#include "mec/ssl/methods/pair_objective.h"

namespace mec {

struct MecMixtureSettings {
  // Weight is ignored: each ordered pair of views counts the same.
  MixturePairOptions mixture{.pair = {.adapt = true}};
  PrototypeOptions prototypes;
  double eps2 = 64;
  bool ema_teacher = true;
};

// The loss is the mean over ordered pairs (v, w), v ≠ w, of mixture_pair's for student v and
// teacher w. The memberships are the softmax of teacher w's embeddings over prototypes; these start
// as directions drawn from the seed and take `rounds` of soft k-means on the same embeddings in
// every step, so there is no state. No gradient goes through them, as none goes through the
// teacher. Metrics: loss, coding_length and membership (nats per batch), spectral_norm (the largest
// ‖C_j‖₂), determinant_sign when exact. Scheduled: lambda.
class MecMixtureObjective : public PairObjective {
 public:
  // λ comes from `lambda`; without it, λ is d/(m ε²) of the rows given.
  MecMixtureObjective(const MecMixtureSettings& settings, std::int64_t dim, Dtype dtype, const Device& device)
      : MecMixtureObjective(settings, dim, dtype, device, LambdaSchedule(settings.eps2)) {}
  MecMixtureObjective(const MecMixtureSettings& settings, std::int64_t dim, Dtype dtype, const Device& device,
                      LambdaSchedule lambda);

  std::string name() const override { return "mec"; }
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override;
  Metrics summarize(const std::vector<std::vector<double>>& parts) const override;
  // NumericalError: det(I + C_j) ≤ 0 in exact mode.
  void check_step(const Metrics& metrics) const override;
  void before_step(std::int64_t step, std::int64_t steps_per_epoch) override { lambda_.before_step(step, steps_per_epoch); }
  Metrics scheduled() const override { return lambda_.scheduled(); }

 private:
  MecMixtureSettings settings_;
  LambdaSchedule lambda_;
  Tensor start_;  // (k,d)
};

}  // namespace mec
