#include "mec/ssl/run/health.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

#include "mec/ssl/methods/mec.h"
#include "mec/ssl/run/effective_rank.h"
#include "mec/tensor/clock.h"
#include "mec/tensor/error.h"

namespace mec {

namespace {

constexpr std::size_t kFewestSteps = 20;  // that times are judged by
constexpr std::size_t kFewestRates = 3;   // that have a median worth comparing with

std::optional<double> find(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics) {
    if (key == name) return value;
  }
  return {};
}

// With three digits.
std::string rounded(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

bool expands_series(const PretrainSettings& settings) {
  if (settings.method != "mec") return false;
  const MecSettings mec = mec_settings(settings);
  return !mec.exact && mec.order > 1;
}

}  // namespace

Health::Health(const PretrainSettings& settings, std::function<void(const std::string&)> note)
    : every_(settings.train.health_steps),
      workers_(settings.data.workers),
      most_rank_(static_cast<double>(std::min({settings.train.batch, kRankRows, settings.model.dim}))),
      eps2_times_lambda_(static_cast<double>(settings.model.dim) / static_cast<double>(settings.train.batch)),
      has_series_(expands_series(settings)),
      note_(std::move(note)),
      host_(rank_host()) {
  check<ValueError>(every_ >= 0, "train.health_steps is not negative, but is ", every_);
}

std::function<Metrics()> Health::measure(const Tensor& projection) {
  return [rank = effective_rank_later(projection, host_)] { return Metrics{{"effective_rank", rank()}}; };
}

void Health::on_step(const StepReport& report) {
  if (every_ == 0) return;
  window_.seconds.push_back(report.seconds);
  window_.all += report.seconds;
  window_.waiting += report.data_seconds;
  window_.images = report.images;
  if (report.step % every_ != 0) return;
  if (!report.skipped) {
    look_at_embeddings(report);
    look_at_series(report);
  }
  if (window_.seconds.size() >= kFewestSteps) look_at_times();
}

bool Health::begins(bool& state, double value, double bound, double end) const {
  const double sign = end > bound ? 1 : -1;  // bad lies on the other side of `bound` than `end`
  const bool was = state;
  state = sign * value <= sign * bound || (was && sign * value <= sign * end);
  return state && !was && note_;
}

void Health::look_at_embeddings(const StepReport& report) {
  constexpr const char* kAdvice =
      "the embeddings collapse; begin again with a lower train.lr, a longer warm-up or a larger train.batch";
  const double rank = find(report.metrics, "effective_rank").value_or(most_rank_);
  const double spread = find(report.metrics, "embedding_std").value_or(1);
  const auto share = [&](double part) { return 1 + part * (most_rank_ - 1); };
  if (begins(low_rank_, rank, share(0.02), share(0.04))) {
    note_(concat("step ", report.step, ": the effective rank of the embeddings is ", rounded(rank), " of at most ", most_rank_,
                 ": ", kAdvice));
  }
  if (begins(low_spread_, spread, 0.2, 0.3)) {
    note_(concat("step ", report.step, ": the embeddings of all images are nearly the same, their embedding_std is ",
                 rounded(spread), ": ", kAdvice));
  }
}

void Health::look_at_series(const StepReport& report) {
  const std::optional<double> norm = find(report.metrics, "spectral_norm"), lambda = find(report.scheduled, "lambda");
  if (!has_series_ || !norm || !lambda) return;
  constexpr double kLimit = CodingScaleArgs{}.limit;  // where MEC adapts
  if (!begins(near_divergence_, *norm, kLimit, 0.8)) return;
  // The norm is proportional to λ = d/(m ε²).
  note_(concat("step ", report.step, ": the norm of MEC's series is ", rounded(*norm),
               ", and it diverges at 1; raise mec.eps2 to ",
               std::ceil(100 * eps2_times_lambda_ / *lambda * *norm / kLimit) / 100, " or more"));
}

void Health::look_at_times() {
  const Window window = std::exchange(window_, {});
  const double waiting = window.waiting / window.all, rate = static_cast<double>(window.images) / median(window.seconds);
  if (begins(waits_, waiting, 0.2, 0.1)) {
    note_(concat("in ", std::lround(100 * waiting), " % of the last ", window.seconds.size(),
                 " steps' time they waited for images; raise data.workers above ", workers_,
                 ", or have smaller files or a faster disk"));
  }
  const double usual = rates_.size() < kFewestRates ? rate : median(rates_);
  rates_.push_back(rate);
  if (begins(slow_, rate / usual, 0.6, 0.8)) {
    note_(concat("the last ", window.seconds.size(), " steps trained on ", rounded(rate),
                 " images a second, and the run's median is ", rounded(usual),
                 "; see what else uses this machine, and whether it is too hot"));
  }
}

}  // namespace mec
