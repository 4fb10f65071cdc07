#include "mec/ssl/methods/mec.h"

#include <algorithm>
#include <limits>
#include <utility>

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

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

MecMixtureSettings mixture_settings(const MecSettings& mec, std::uint64_t seed) {
  return {.mixture = {.pair = mec.coding()},
          .prototypes = {.components = mec.components, .temperature = mec.temperature, .seed = seed},
          .eps2 = mec.eps2,
          .ema_teacher = mec.ema_teacher};
}

}  // namespace

CodingOptions MecSettings::coding() const {
  return {.order = order,
          .exact = exact,
          .side = side,
          .symmetrize = symmetrize,
          .adapt = on_divergence == OnDivergence::adapt};
}

MecSettings mec_settings(const PretrainSettings& settings) {
  const auto number = [&](const char* name) { return method_setting(settings, name); };
  const auto whole = [&](const char* name) { return static_cast<std::int64_t>(number(name)); };
  return {.order = whole("order"),
          .exact = number("exact") != 0,
          .side = static_cast<Side>(whole("side")),
          .symmetrize = number("symmetrize") != 0,
          .on_divergence = static_cast<OnDivergence>(whole("on_divergence")),
          .eps2 = number("eps2"),
          .ema_teacher = number("ema_teacher") != 0,
          .components = whole("components"),
          .temperature = number("temperature"),
          .lambda_warmup_factor = number("lambda_warmup_factor"),
          .lambda_warmup = {.epochs = number("lambda_warmup_epochs"), .steps = whole("lambda_warmup_steps")}};
}

MecObjective::MecObjective(const MecSettings& settings, LambdaSchedule lambda)
    : PairObjective({.metrics = {}, .ema_teacher = settings.ema_teacher, .of_ranks = OfRanks::own_rows}),
      settings_(settings),
      lambda_(std::move(lambda)) {
  check<ValueError>(settings.exact || settings.order >= 1, "mec.order is at least 1, but is ", settings.order);
  check<ValueError>(settings.eps2 > 0, "mec.eps2 is positive, but is ", settings.eps2);
  check<ValueError>(!settings.symmetrize || settings.side != Side::feature,
                    "mec.symmetrize needs the batch side, but mec.side is \"feature\"");
}

PairResult MecObjective::pair(const Tensor& p, const Tensor& z, const PairOptions& options) const {
  CodingOptions coding = settings_.coding();
  coding.weight = options.weight;
  coding.rows = options.rows;
  const Tensor lambda = lambda_.of(p, options.rows);
  const CodingResult result = coding_length_pair(p, z, lambda, coding, {.dp = options.dp, .dz = options.dz});
  return {.metrics = result.metrics, .dp = result.dp, .dz = result.dz};
}

Metrics MecObjective::summarize(const std::vector<std::vector<double>>& parts) const {
  double loss = 0, coding_length = 0, norm = 0, eps2 = 0, sign = 1;
  for (const auto& part : parts) {
    loss += at(part, CodingMetric::loss);
    coding_length += at(part, CodingMetric::coding_length);
    norm = std::max(norm, at(part, CodingMetric::spectral_norm));
    eps2 = std::max(eps2, at(part, CodingMetric::width_over_rows) / at(part, CodingMetric::lambda));  // λ = d/(m ε²)
    sign = std::min(sign, at(part, CodingMetric::sign));
  }
  Metrics metrics{{"loss", loss}, {"coding_length", coding_length}, {"spectral_norm", norm}, {"eps2_effective", eps2}};
  if (settings_.exact) metrics.emplace_back("determinant_sign", sign);
  return metrics;
}

void MecObjective::check_step(const Metrics& metrics) const {
  const double norm = metric(metrics, "spectral_norm");
  // The norm is proportional to λ, so to 1/ε².
  const double enough = metric(metrics, "eps2_effective") * norm;
  check<NumericalError>(settings_.on_divergence != OnDivergence::stop || settings_.exact || settings_.order == 1 || norm < 1,
                        "mec: the series does not converge, its matrix has norm ", norm,
                        " ≥ 1 (on_divergence is \"stop\"); raise mec.eps2 above ", enough,
                        ", or use mec.symmetrize or on_divergence = \"adapt\"");
  check<NumericalError>(!settings_.exact || metric(metrics, "determinant_sign") > 0,
                        "mec: det(I + C) ≤ 0, so its logarithm does not exist; raise mec.eps2 above ", enough,
                        " or use the series");
}

Method mec_method() {
  using enum MethodSetting::Kind;
  const MecSettings defaults;
  const auto number = [](auto value) { return static_cast<double>(value); };
  return {
      .name = "mec",
      .title = "Maximum entropy coding (Liu et al., NeurIPS 2022)",
      .averaged_teacher = true,
      .settings = {{.name = "order", .value = number(defaults.order), .low = 1, .high = 999, .kind = whole},
                   {.name = "exact", .value = number(defaults.exact), .kind = flag},
                   {.name = "side", .value = number(defaults.side), .kind = word, .words = {"auto", "batch", "feature"}},
                   {.name = "symmetrize", .value = number(defaults.symmetrize), .kind = flag},
                   {.name = "on_divergence",
                    .value = number(defaults.on_divergence),
                    .kind = word,
                    .words = {"adapt", "warn", "stop"}},
                   {.name = "eps2", .value = defaults.eps2, .low = -kNoLimit, .high = kNoLimit},
                   {.name = "ema_teacher", .value = number(defaults.ema_teacher), .kind = flag, .of_pair = false},
                   {.name = "components", .value = number(defaults.components), .low = 1, .high = kNoLimit, .kind = whole},
                   {.name = "temperature", .value = defaults.temperature, .low = 1e-3, .high = kNoLimit},
                   {.name = "lambda_warmup_factor",
                    .value = defaults.lambda_warmup_factor,
                    .low = -kNoLimit,
                    .high = kNoLimit,
                    .of_pair = false},
                   {.name = "lambda_warmup_epochs",
                    .value = defaults.lambda_warmup.epochs,
                    .high = kNoLimit,
                    .of_pair = false},
                   {.name = "lambda_warmup_steps",
                    .value = number(defaults.lambda_warmup.steps),
                    .low = -1,
                    .high = kNoLimit,
                    .kind = whole,
                    .of_pair = false}},
      .warmups = [](const PretrainSettings& settings) -> std::vector<Warmup> {
        const MecSettings mec = mec_settings(settings);
        if (mec.lambda_warmup_factor == 1) return {};  // a constant λ
        return {{.key = "mec.lambda_warmup", .length = mec.lambda_warmup, .goal = "mec.eps2"}};
      },
      .scales_rows = true,
      .make = [](const MethodSetup& setup) -> std::unique_ptr<PairObjective> {
        const MecSettings mec = mec_settings(setup.settings);
        LambdaSchedule lambda({.rows = setup.settings.train.batch,
                               .width = setup.settings.model.dim,
                               .eps2 = mec.eps2,
                               .warmup_factor = mec.lambda_warmup_factor,
                               .warmup = mec.lambda_warmup},
                              setup.dtype, setup.device);
        if (mec.components == 1) return std::make_unique<MecObjective>(mec, std::move(lambda));
        return std::make_unique<MecMixtureObjective>(mixture_settings(mec, setup.settings.train.seed),
                                                     setup.settings.model.dim, setup.dtype, setup.device, std::move(lambda));
      }};
}

}  // namespace mec
