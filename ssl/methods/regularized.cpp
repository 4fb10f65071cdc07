#include "mec/ssl/methods/regularized.h"

#include "mec/ssl/methods/pair_objective.h"
#include "mec/tensor/ops.h"

namespace mec {

RegularizedObjective::RegularizedObjective(std::unique_ptr<Objective> inner, const KlRegularizerSettings& settings,
                                           std::int64_t dim, Dtype dtype, const Device& device)
    : inner_(std::move(inner)),
      settings_(settings),
      mixture_(sphere_mixture(settings.components, dim, settings.variance, settings.seed, dtype, device)) {
  check<ValueError>(settings.weight >= 0, "mixture KL: the weight is not negative, but is ", settings.weight);
  check<ValueError>(settings.bandwidth > 0, "mixture KL: the bandwidth is positive, but is ", settings.bandwidth);
}

ObjectiveResult RegularizedObjective::operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                                                 const StepContext& step) {
  ObjectiveResult out = (*inner_)(students, teachers, step);
  check<ValueError>(!out.metrics.empty(), "mixture KL: the objective ", inner_->name(), " leaves no metrics to add to");
  const double share = 1 / static_cast<double>(teachers.size());  // of one view
  const Tensor total = Tensor::zeros({1}, out.metrics[0].dtype(), out.metrics[0].device());
  for (std::size_t i = 0; i < students.size(); ++i) {
    const KernelDensityKl kl =
        kernel_density_kl(students[i].embedding, mixture_, {.estimate = settings_.estimate, .bandwidth = settings_.bandwidth});
    axpby(kl.value, total, {.alpha = share, .beta = 1.0});
    // Not in place: the inner gradient may be shared.
    out.gradients[i] = add(out.gradients[i], scale(kl.dz, settings_.weight * share));
  }
  for (std::size_t i = 0; i < out.metrics.size(); ++i) {
    out.metrics[i] = join({out.metrics[i], i == 0 ? total : Tensor::zeros({1}, total.dtype(), total.device())});
  }
  return out;
}

Metrics RegularizedObjective::summarize(const std::vector<std::vector<double>>& parts) const {
  std::vector<std::vector<double>> inner = parts;
  double kl = 0;
  for (auto& part : inner) {
    kl += part.back();
    part.pop_back();
  }
  Metrics metrics = inner_->summarize(inner);
  for (auto& [name, value] : metrics) {
    if (name == "loss") value += settings_.weight * kl;
  }
  metrics.emplace_back("mixture_kl", kl);
  return metrics;
}

}  // namespace mec
