#include "mec/ssl/mec.h"

#include <algorithm>

#include "mec/tensor/ops.h"

namespace mec {

namespace {

double metric(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics) {
    if (key == name) return value;
  }
  throw ValueError(concat("mec: there is no metric ", name));
}

}  // namespace

MecObjective::MecObjective(const MecSettings& settings) : settings_(settings) {
  check<ValueError>(settings.exact || settings.order >= 1, "mec.order is at least 1, but is ", settings.order);
  check<ValueError>(settings.eps2 > 0, "mec.eps2 is positive, but is ", settings.eps2);
  check<ValueError>(!settings.symmetrize || settings.side != Side::feature,
                    "mec.symmetrize needs the batch side, but mec.side is \"feature\"");
}

ObjectiveResult MecObjective::operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                                         const StepScalars& scalars) const {
  const auto views = static_cast<std::int64_t>(teachers.size());
  check<ShapeError>(views >= 2, "mec: a pair needs two views, but the batch has ", views);
  const CodingOptions options{.order = settings_.order,
                              .exact = settings_.exact,
                              .side = settings_.side,
                              .symmetrize = settings_.symmetrize,
                              .adapt = settings_.on_divergence == OnDivergence::adapt,
                              .weight = 1.0 / static_cast<double>(views * (views - 1))};
  ObjectiveResult out;
  for (const StudentView& student : students) {
    Tensor gradient;
    for (std::int64_t view = 0; view < views; ++view) {
      if (view == student.view) continue;
      const CodingResult pair =
          coding_length_pair(student.embedding, teachers[static_cast<std::size_t>(view)], scalars.lambda(), options);
      out.records.push_back(pair.record);
      if (gradient) add_into(pair.dp, gradient);
      else gradient = pair.dp;
    }
    out.gradients.push_back(gradient);
  }
  return out;
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

}  // namespace mec
