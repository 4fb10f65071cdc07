#include "mec/ssl/methods/mec.h"

#include <algorithm>

#include "mec/ssl/methods/mec_mixture.h"
#include "mec/ssl/methods/methods.h"

namespace mec {

namespace {

double metric(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics) {
    if (key == name) return value;
  }
  throw ValueError(concat("mec: there is no metric ", name));
}

MecMixtureSettings mixture_settings(const PretrainSettings& settings) {
  const MecTrainSettings& mec = settings.mec;
  return {.mixture = {.pair = {.order = mec.order,
                               .exact = mec.exact,
                               .side = mec.side,
                               .symmetrize = mec.symmetrize,
                               .adapt = mec.on_divergence == OnDivergence::adapt}},
          .prototypes = {.components = mec.components, .temperature = mec.temperature, .seed = settings.train.seed},
          .eps2 = mec.eps2,
          .ema_teacher = mec.ema_teacher};
}

}  // namespace

MecObjective::MecObjective(const MecSettings& settings)
    : PairObjective({.figures = {}, .ema_teacher = settings.ema_teacher}), settings_(settings) {
  check<ValueError>(settings.exact || settings.order >= 1, "mec.order is at least 1, but is ", settings.order);
  check<ValueError>(settings.eps2 > 0, "mec.eps2 is positive, but is ", settings.eps2);
  check<ValueError>(!settings.symmetrize || settings.side != Side::feature,
                    "mec.symmetrize needs the batch side, but mec.side is \"feature\"");
}

PairResult MecObjective::pair(const Tensor& p, const Tensor& z, const PairOptions& options) const {
  const Tensor lambda = options.scalars ? options.scalars->lambda() : coding_lambda(p, settings_.eps2);
  const CodingResult result = coding_length_pair(p, z, lambda,
                                                 {.order = settings_.order,
                                                  .exact = settings_.exact,
                                                  .side = settings_.side,
                                                  .symmetrize = settings_.symmetrize,
                                                  .adapt = settings_.on_divergence == OnDivergence::adapt,
                                                  .weight = options.weight},
                                                 {.dp = options.dp, .dz = options.dz});
  return {.record = result.record, .dp = result.dp, .dz = result.dz};
}

Metrics MecObjective::summarize(const std::vector<std::vector<double>>& records) const {
  double loss = 0, coding_length = 0, norm = 0, eps2 = 0, sign = 1;
  for (const auto& record : records) {
    loss += at(record, CodingRecord::loss);
    coding_length += at(record, CodingRecord::coding_length);
    norm = std::max(norm, at(record, CodingRecord::spectral_norm));
    eps2 = std::max(eps2, at(record, CodingRecord::width_over_rows) / at(record, CodingRecord::lambda));  // λ = d/(m ε²)
    sign = std::min(sign, at(record, CodingRecord::sign));
  }
  Metrics metrics{{"loss", loss}, {"coding_length", coding_length}, {"spectral_norm", norm}, {"eps2_effective", eps2}};
  if (settings_.exact) metrics.emplace_back("determinant_sign", sign);
  return metrics;
}

void MecObjective::check_step(const Metrics& metrics) const {
  const double norm = metric(metrics, "spectral_norm");
  const double enough = metric(metrics, "eps2_effective") * norm;  // the norm is proportional to λ, so to 1/ε²
  check<NumericalError>(settings_.on_divergence != OnDivergence::stop || settings_.exact || settings_.order == 1 || norm < 1,
                        "mec: the series does not converge, its matrix has norm ", norm,
                        " ≥ 1 (on_divergence is \"stop\"); raise mec.eps2 above ", enough,
                        ", or use mec.symmetrize or on_divergence = \"adapt\"");
  check<NumericalError>(!settings_.exact || metric(metrics, "determinant_sign") > 0,
                        "mec: det(I + C) ≤ 0, so its logarithm does not exist; raise mec.eps2 above ", enough,
                        " or use the series");
}

Method mec_method() {
  return {.name = "mec",
          .title = "Maximum entropy coding (Liu et al., NeurIPS 2022)",
          .averaged_teacher = true,
          .make = [](const MethodSetup& setup) -> std::unique_ptr<PairObjective> {
            const MecTrainSettings& mec = setup.settings.mec;
            if (mec.components == 1) return std::make_unique<MecObjective>(mec);
            return std::make_unique<MecMixtureObjective>(mixture_settings(setup.settings), setup.settings.model.dim,
                                                         setup.dtype, setup.device);
          }};
}

}  // namespace mec
