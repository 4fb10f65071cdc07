// Any objective plus weight × KL(p(z) ‖ mixture): the student embeddings are drawn to a Gaussian
// mixture on the sphere.
#pragma once

#include <memory>

#include "mec/ssl/methods/objective.h"
#include "mec/ssl/settings.h"

namespace mec {

// Loss = the inner objective's + weight · mean over views of KL(p(z_view) ‖ mixture), see
// losses/kernel_density_kl.h. Metrics: the inner ones, with "loss" raised by the weighted KL, and
// "mixture_kl", the mean over views without the weight. Each part's metrics are the inner
// objective's with one more at their end, so that the inner one can still read its own.
class RegularizedObjective : public Objective {
 public:
  // dim is the embeddings' width; dtype and device are those of the embeddings. ValueError for
  // settings outside their range.
  RegularizedObjective(std::unique_ptr<Objective> inner, const KlRegularizerSettings& settings, std::int64_t dim, Dtype dtype,
                       const Device& device);

  std::string name() const override { return inner_->name() + "+mixture_kl"; }
  bool ema_teacher() const override { return inner_->ema_teacher(); }
  bool view_by_view() const override { return inner_->view_by_view(); }
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepContext& step) override;
  Metrics summarize(const std::vector<std::vector<double>>& parts) const override;
  void check_step(const Metrics& metrics) const override { inner_->check_step(metrics); }
  void before_step(std::int64_t step, std::int64_t steps_per_epoch) override { inner_->before_step(step, steps_per_epoch); }
  Metrics scheduled() const override { return inner_->scheduled(); }
  std::vector<NamedBuffer> state() const override { return inner_->state(); }

 private:
  std::unique_ptr<Objective> inner_;
  KlRegularizerSettings settings_;
  DiagonalMixture mixture_;
};

}  // namespace mec
