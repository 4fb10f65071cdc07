#include "mec/ssl/methods/pair_loss.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/ops.h"

namespace mec {

namespace {

Metrics named(const PairObjective& objective, const std::vector<double>& values) {
  const std::vector<std::string>& names = objective.metrics();
  if (names.empty()) return objective.summarize({values});
  Metrics metrics;
  for (std::size_t i = 0; i < names.size(); ++i) metrics.emplace_back(names[i], values.at(i));
  return metrics;
}

}  // namespace

// The objective depends on the sizes of p and of the queue: λ of MEC, and what is queued.
PairObjective& PairLoss::objective_for(const Tensor& p, const Tensor& queue) {
  const Shape queued = queue ? queue.shape() : Shape{};
  if (objective_ && rows_ == p.shape() && queue_ == queued && dtype_ == p.dtype() && device_ == p.device()) return *objective_;
  PretrainSettings settings = settings_;
  settings.model.dim = p.dim(1);
  settings.train.batch = p.dim(0);
  if (settings.method_settings.contains("queue")) {  // nothing is queued here, so any length will do
    settings.train.batch = 1;
    settings.method_settings.at("queue") = queue ? static_cast<double>(queue.dim(0)) : 0;
  }
  objective_ = make_objective(settings, p.device(), p.dtype());
  rows_ = p.shape();
  queue_ = queued;
  dtype_ = p.dtype();
  device_ = p.device();
  return *objective_;
}

PairLoss::Value PairLoss::operator()(const Tensor& p, const Tensor& z, const Tensor& queue, const PairOptions& options) {
  const std::string& method = settings_.method;
  check_pair(method, p, z);
  const bool reads_queue = find_method(method).pair_reads_queue;
  check<ValueError>(reads_queue == static_cast<bool>(queue), method,
                    reads_queue ? ": the loss reads a queue of keys (L,d), but none is given"
                                : ": the loss reads no queue, but one is given");
  check<ShapeError>(!queue || (queue.rank() == 2 && queue.dim(1) == p.dim(1) && queue.dim(0) > 0), method, ": the queue is ",
                    queue ? queue.shape() : Shape{}, ", but must be (L,", p.dim(1), ") like the embeddings, and not empty");
  PairObjective& objective = objective_for(p, queue);
  if (queue) objective.state().at(0).tensor.copy_from(normalize_rows(queue).y);
  const PairResult result = objective.pair(p, z, options);
  Value value{.metrics = named(objective, result.metrics.to(Dtype::f64).to_vector<double>()), .dp = result.dp, .dz = result.dz};
  objective.check_step(value.metrics);
  check<NumericalError>(std::ranges::all_of(value.metrics, [](const auto& metric) { return std::isfinite(metric.second); }),
                        method, ": the loss is ", value.metrics.front().second, ", not a finite number; are the ",
                        "embeddings far from unit length, or the batch too small?");
  return value;
}

}  // namespace mec
