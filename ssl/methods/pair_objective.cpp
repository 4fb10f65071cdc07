#include "mec/ssl/methods/pair_objective.h"

#include <cmath>

#include "mec/tensor/ops.h"

namespace mec {

namespace {

void add_gradient(Tensor& sum, const Tensor& gradient) {
  if (!sum) sum = gradient;
  else if (sum.is_unique()) add_into(gradient, sum);
  else sum = add(sum, gradient);  // pair() may return one tensor as both gradients
}

Tensor spread_of(const Tensor& projection, const BatchRows& rows) {  // shape ()
  const BatchNormStatistics statistics = rows.statistics(normalize_rows(projection).y);
  return scale(sum(sqrt(statistics.var)), 1.0 / std::sqrt(static_cast<double>(projection.dim(1))));
}

}  // namespace

Tensor join(const std::vector<Tensor>& parts) {
  std::int64_t count = 0;
  for (const Tensor& part : parts) count += part.numel();
  Tensor all({count}, parts.front().dtype(), parts.front().device());
  std::int64_t at = 0;
  for (const Tensor& part : parts) {
    all.segment(at, {part.numel()}).copy_from(part.reshape({-1}));
    at += part.numel();
  }
  return all;
}

void check_pair(const std::string& name, const Tensor& p, const Tensor& z) {
  check<ShapeError>(p && z && p.rank() == 2 && p.shape() == z.shape() && p.numel() > 0, name,
                    ": p and z are matrices of one size (m,d), but got ", p.shape(), " and ", z.shape());
  check<DtypeError>(p.dtype() == z.dtype(), name, ": p and z share a dtype, but are ", p.dtype(), " and ", z.dtype());
}

bool PairObjective::takes_own_rows(const BatchSize& batch) const {
  return traits_.of_ranks == OfRanks::own_rows ||
         (traits_.of_ranks == OfRanks::feature_sums && feature_sums_are_cheaper(batch));
}

ObjectiveResult PairObjective::operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                                          const StepContext& step) {
  check<ShapeError>(teachers.size() >= 2, name(), ": a pair needs two views, but the batch has ", teachers.size());
  return traits_.symmetric ? symmetric(students, step.rows) : directed(students, teachers, step.rows);
}

Tensor PairObjective::with_spread(const Tensor& metrics, const StudentView& student, bool first,
                                  const BatchRows& rows) const {
  if (traits_.metrics.empty()) return metrics;
  const bool measure = first && student.view == 0 && student.projection;
  return join({metrics, measure ? spread_of(student.projection, rows) : Tensor::zeros({1}, metrics.dtype(), metrics.device())});
}

ObjectiveResult PairObjective::directed(const std::vector<StudentView>& students,
                                        const std::vector<Tensor>& teachers, const BatchRows& rows) const {
  const auto views = static_cast<std::int64_t>(teachers.size());
  const double weight = 1.0 / static_cast<double>(views * (views - 1));
  ObjectiveResult out;
  for (const StudentView& student : students) {
    Tensor gradient;
    for (std::int64_t view = 0; view < views; ++view) {
      if (view == student.view) continue;
      const Tensor& teacher = teachers[static_cast<std::size_t>(view)];
      const PairResult result = pair(student.embedding, teacher, {.weight = weight, .rows = rows});
      out.metrics.push_back(with_spread(result.metrics, student, !gradient, rows));
      add_gradient(gradient, result.dp);
    }
    out.gradients.push_back(gradient);
  }
  return out;
}

ObjectiveResult PairObjective::symmetric(const std::vector<StudentView>& students, const BatchRows& rows) const {
  const auto views = static_cast<double>(students.size());
  ObjectiveResult out;
  out.gradients.resize(students.size());
  for (std::size_t v = 0; v < students.size(); ++v) {
    for (std::size_t w = v + 1; w < students.size(); ++w) {
      const PairResult result = pair(students[v].embedding, students[w].embedding,
                                     {.weight = 2.0 / (views * (views - 1)), .dp = true, .dz = true, .rows = rows});
      out.metrics.push_back(with_spread(result.metrics, students[v], w == v + 1, rows));
      add_gradient(out.gradients[v], result.dp);
      add_gradient(out.gradients[w], result.dz);
    }
  }
  return out;
}

Metrics PairObjective::summarize(const std::vector<std::vector<double>>& parts) const {
  Metrics metrics;
  for (const std::string& name : traits_.metrics) metrics.emplace_back(name, 0.0);
  metrics.emplace_back("embedding_std", 0.0);
  for (const auto& part : parts) {
    for (std::size_t i = 0; i < metrics.size(); ++i) metrics[i].second += part.at(i);
  }
  return metrics;
}

}  // namespace mec
