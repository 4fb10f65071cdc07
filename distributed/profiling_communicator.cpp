#include "mec/distributed/profiling_communicator.h"

#include <algorithm>

#include "mec/tensor/clock.h"

namespace mec {

namespace {

// Adds the seconds of its life.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() { seconds_ += seconds_since(start_); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

CollectiveProfile* ProfilingCommunicator::find(const char* name) {
  const auto same = [&](const CollectiveProfile& p) { return p.phase == phase_ && p.name == name; };
  const auto found = std::ranges::find_if(profiles_, same);
  return found != profiles_.end() ? &*found : nullptr;
}

CollectiveProfile& ProfilingCommunicator::profile(const char* name) {
  CollectiveProfile* const found = find(name);
  return found ? *found : *profiles_.insert(profiles_.end(), {.phase = phase_, .name = name});
}

template <class Call> auto ProfilingCommunicator::profiled(const char* name, double bytes, Call call) {
  CollectiveProfile& here = profile(name);
  here.calls += 1;
  here.bytes += bytes;
  {
    const Stopwatch waiting(here.waited);
    inner_->maximum(0);
  }
  const Stopwatch moving(here.seconds);
  return call();
}

// That reach this rank.
double ProfilingCommunicator::bytes_summed(const Tensor& t) const {
  return 2.0 * (size() - 1) / size() * static_cast<double>(t.bytes());
}

Tensor ProfilingCommunicator::all_gather(const Tensor& own) {
  const double others = size() - 1;
  return profiled("all_gather", others * static_cast<double>(own.bytes()), [&] { return inner_->all_gather(own); });
}

void ProfilingCommunicator::reduce(const Tensor& t) {
  profiled("all_reduce", bytes_summed(t), [&] { inner_->all_reduce(t); });
}

void ProfilingCommunicator::begin_reduce(const Tensor& t) {
  CollectiveProfile& sum = profile("sum");
  sum.calls += 1;
  sum.bytes += bytes_summed(t);
  const Stopwatch beginning(sum.seconds);
  inner_->begin_sum(t);
}

void ProfilingCommunicator::advance_sums() {
  double unknown = 0;  // where none was begun in this part
  CollectiveProfile* const sum = find("sum");
  const Stopwatch moving(sum ? sum->seconds : unknown);
  inner_->advance_sums();
}

void ProfilingCommunicator::finish_sums() {
  CollectiveProfile& end = profile("finish_sums");
  end.calls += 1;
  const Stopwatch ending(end.seconds);
  inner_->finish_sums();
}

void ProfilingCommunicator::broadcast(const Tensor& t) {
  const double bytes = rank() == 0 ? 0.0 : static_cast<double>(t.bytes());
  profiled("broadcast", bytes, [&] { inner_->broadcast(t); });
}

std::int64_t ProfilingCommunicator::broadcast(std::int64_t number) {
  return profiled("broadcast", rank() == 0 ? 0.0 : double{sizeof number}, [&] { return inner_->broadcast(number); });
}

double ProfilingCommunicator::maximum(double value) {
  return profiled("maximum", static_cast<double>(sizeof value) * (size() - 1), [&] { return inner_->maximum(value); });
}

}  // namespace mec
