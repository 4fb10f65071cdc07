#include "mec/ssl/methods/pair_loss.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/devices.h"
#include "mec/tensor/host_bytes.h"
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

// Kernels sum squares in the rows' own type: beyond this the loss may be finite and wrong.
template <class T> constexpr double kLongest = 1e15;
template <> constexpr double kLongest<double> = 1e150;
constexpr double kShortest = 1e-12;  // where normalize_rows() begins to shrink rows

template <class T> void check_lengths(const std::string& method, const char* name, const Tensor& rows, double shortest) {
  const HostBytes bytes(rows);
  const T* row = reinterpret_cast<const T*>(bytes.data());
  for (std::int64_t r = 0; r < rows.dim(0); ++r, row += rows.dim(1)) {
    double sum = 0;
    for (std::int64_t c = 0; c < rows.dim(1); ++c) sum += static_cast<double>(row[c]) * static_cast<double>(row[c]);
    const double length = std::sqrt(sum);  // where it is not a number, neither is the loss
    const bool too_long = length > kLongest<T>, too_short = length < shortest;
    check<ValueError>(!too_long && !too_short, method, ": row ", r, " of ", name, " has the length ",
                      length, ", but ", rows.dtype(), " rows must have one ",
                      shortest > 0 ? concat("between ", shortest, " and ") : "of at most ", kLongest<T>,
                      "; divide them by their length, or leave out those that are zero");
  }
}

void check_rows(const Method& method, const char* name, const Tensor& rows) {
  const double shortest = method.scales_rows ? kShortest : 0;
  if (rows.dtype() == Dtype::f32) check_lengths<float>(method.name, name, rows, shortest);
  if (rows.dtype() == Dtype::f64) check_lengths<double>(method.name, name, rows, shortest);
}

}  // namespace

PairLoss::PairLoss(PretrainSettings settings) : settings_(std::move(settings)) {
  make_objective(sized(2, 2, find_method(settings_.method).pair_reads_queue ? 2 : 0), make_reference_device());
}

// Nothing is queued here, so any length will do.
PretrainSettings PairLoss::sized(std::int64_t rows, std::int64_t width, std::int64_t queued) const {
  PretrainSettings settings = settings_;
  const bool queues = settings.method_settings.contains("queue");
  settings.model.dim = width;
  settings.train.batch = queues ? 1 : rows;
  if (queues) settings.method_settings.at("queue") = static_cast<double>(queued);
  return settings;
}

// The objective depends on the sizes of p and of the queue: λ of MEC, and what is queued.
PairObjective& PairLoss::objective_for(const Tensor& p, const Tensor& queue) {
  const Shape queued = queue ? queue.shape() : Shape{};
  if (objective_ && rows_ == p.shape() && queue_ == queued && dtype_ == p.dtype() && device_ == p.device()) return *objective_;
  objective_ = make_objective(sized(p.dim(0), p.dim(1), queue ? queue.dim(0) : 0), p.device(), p.dtype());
  rows_ = p.shape();
  queue_ = queued;
  dtype_ = p.dtype();
  device_ = p.device();
  return *objective_;
}

PairLoss::Value PairLoss::operator()(const Tensor& p, const Tensor& z, const Tensor& queue, const PairOptions& options) {
  const std::string& method = settings_.method;
  check_pair(method, p, z);
  const Method& row_of_method = find_method(method);
  const bool reads_queue = row_of_method.pair_reads_queue;
  check<ValueError>(reads_queue == static_cast<bool>(queue), method,
                    reads_queue ? ": the loss reads a queue of keys (L,d), but none is given"
                                : ": the loss reads no queue, but one is given");
  check<ShapeError>(!queue || (queue.rank() == 2 && queue.dim(1) == p.dim(1) && queue.dim(0) > 0), method, ": the queue is ",
                    queue ? queue.shape() : Shape{}, ", but must be (L,", p.dim(1), ") like the embeddings, and not empty");
  check_rows(row_of_method, "p", p);
  check_rows(row_of_method, "z", z);
  if (queue) check_rows(row_of_method, "the queue", queue);
  PairObjective& objective = objective_for(p, queue);
  if (queue) objective.state().at(0).tensor.copy_from(normalize_rows(queue).y);
  const PairResult result = objective.pair(p, z, options);
  Value value{.metrics = named(objective, result.metrics.to(Dtype::f64).to_vector<double>()), .dp = result.dp, .dz = result.dz};
  objective.check_step(value.metrics);
  check<NumericalError>(std::ranges::all_of(value.metrics, [](const auto& metric) { return std::isfinite(metric.second); }),
                        method, ": the loss is ", value.metrics.front().second,
                        ", not a finite number; are the embeddings finite, and the batch large enough?");
  return value;
}

}  // namespace mec
