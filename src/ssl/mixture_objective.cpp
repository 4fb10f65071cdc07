#include "mec/ssl/mixture_objective.h"

#include <algorithm>

#include "mec/tensor/ops.h"

namespace mec {

MixtureObjective::MixtureObjective(const MixtureObjectiveSettings& settings, std::int64_t dim, Dtype dtype,
                                   const Device& device)
    : settings_(settings), start_(random_prototypes(dim, settings.prototypes, dtype, device)) {}

ObjectiveResult MixtureObjective::operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                                             const StepScalars& scalars) const {
  const auto views = static_cast<std::int64_t>(teachers.size());
  check<ShapeError>(views >= 2, "mixture: a pair needs two views, but the batch has ", views);
  MixturePairOptions options = settings_.mixture;
  options.pair.weight = 1.0 / static_cast<double>(views * (views - 1));
  ObjectiveResult out;
  for (const StudentView& student : students) {
    Tensor gradient;
    for (std::int64_t view = 0; view < views; ++view) {
      if (view == student.view) continue;
      const Tensor& z = teachers[static_cast<std::size_t>(view)];
      const Tensor prototypes = soft_kmeans(z, start_, settings_.prototypes);
      const Memberships memberships = Memberships::soft(prototype_memberships(z, prototypes, settings_.prototypes.temperature));
      const MixturePair pair = mixture_pair(student.embedding, z, memberships, scalars.lambda(), options);
      out.records.push_back(pair.record);
      if (gradient) add_into(pair.dp, gradient);
      else gradient = pair.dp;
    }
    out.gradients.push_back(gradient);
  }
  return out;
}

Metrics MixtureObjective::summarize(const std::vector<std::vector<double>>& records) const {
  double loss = 0, length = 0, membership = 0, norm = 0, sign = 1;
  const auto k = settings_.prototypes.components;
  for (const auto& record : records) {
    const auto figures = record.begin() + static_cast<int>(MixtureRecord::count);
    loss += record.at(static_cast<std::size_t>(MixtureRecord::loss));
    length += record.at(static_cast<std::size_t>(MixtureRecord::coding_length));
    membership += record.at(static_cast<std::size_t>(MixtureRecord::membership)) / static_cast<double>(records.size());
    norm = std::max(norm, *std::max_element(figures, figures + k));
    sign = std::min(sign, *std::min_element(figures + k, figures + 2 * k));
  }
  Metrics metrics{{"loss", loss}, {"coding_length", length}, {"membership", membership}, {"spectral_norm", norm}};
  if (settings_.mixture.pair.exact) metrics.emplace_back("determinant_sign", sign);
  return metrics;
}

void MixtureObjective::check_step(const Metrics& metrics) const {
  for (const auto& [name, value] : metrics) {
    check<NumericalError>(
        name != "determinant_sign" || value > 0,
        "mixture: det(I + C) ≤ 0 for a component, so its logarithm does not exist; raise eps2 or use the series");
  }
}

}  // namespace mec
