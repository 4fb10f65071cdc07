#include "mec/ssl/methods/mec_mixture.h"

#include <algorithm>

#include "mec/tensor/ops.h"

namespace mec {

MecMixtureObjective::MecMixtureObjective(const MecMixtureSettings& settings, std::int64_t dim, Dtype dtype,
                                         const Device& device, LambdaSchedule lambda)
    : PairObjective({.metrics = {}, .ema_teacher = settings.ema_teacher}),
      settings_(settings),
      lambda_(std::move(lambda)),
      start_(random_prototypes(dim, settings.prototypes, dtype, device)) {}

PairResult MecMixtureObjective::pair(const Tensor& p, const Tensor& z, const PairOptions& options) const {
  MixturePairOptions mixture = settings_.mixture;
  mixture.pair.weight = options.weight;
  const Tensor prototypes = soft_kmeans(z, start_, settings_.prototypes);
  const Memberships memberships = Memberships::soft(prototype_memberships(z, prototypes, settings_.prototypes.temperature));
  const MixturePair result = mixture_pair(p, z, memberships, lambda_.of(p), mixture, {.dp = options.dp, .dz = options.dz});
  return {.metrics = result.metrics, .dp = result.dp, .dz = result.dz};
}

Metrics MecMixtureObjective::summarize(const std::vector<std::vector<double>>& parts) const {
  double loss = 0, length = 0, membership = 0, norm = 0, sign = 1;
  const auto k = settings_.prototypes.components;
  for (const auto& part : parts) {
    const auto norms = part.begin() + static_cast<int>(MixtureMetric::count);
    loss += part.at(static_cast<std::size_t>(MixtureMetric::loss));
    length += part.at(static_cast<std::size_t>(MixtureMetric::coding_length));
    membership += part.at(static_cast<std::size_t>(MixtureMetric::membership)) / static_cast<double>(parts.size());
    norm = std::max(norm, *std::max_element(norms, norms + k));
    sign = std::min(sign, *std::min_element(norms + k, norms + 2 * k));
  }
  Metrics metrics{{"loss", loss}, {"coding_length", length}, {"membership", membership}, {"spectral_norm", norm}};
  if (settings_.mixture.pair.exact) metrics.emplace_back("determinant_sign", sign);
  return metrics;
}

void MecMixtureObjective::check_step(const Metrics& metrics) const {
  for (const auto& [name, value] : metrics) {
    check<NumericalError>(
        name != "determinant_sign" || value > 0,
        "mixture: det(I + C) ≤ 0 for a component, so its logarithm does not exist; raise eps2 or use the series");
  }
}

}  // namespace mec
