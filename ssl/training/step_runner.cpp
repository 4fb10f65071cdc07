#include "mec/ssl/training/step_runner.h"

#include <algorithm>
#include <string>

#include "mec/ssl/training/memory_use.h"
#include "mec/tensor/backend.h"

namespace mec {

namespace {

constexpr int kWarmUpSteps = 2;
constexpr int kMostEagerSteps = 6;  // after these, a step that still asks for memory is an error

StepMetrics read_now(const StepOutput& output) {
  StepMetrics metrics;
  for (const Tensor& part : output.metrics) metrics.parts.push_back(part.to(Dtype::f64).to_vector<double>());
  metrics.finite = output.finite.item() == 1.0;
  return metrics;
}

// A tensor's values on their way to the host; f32 widens to f64 without loss.
class LateRead {
 public:
  explicit LateRead(const Tensor& t)
      : numel_(static_cast<std::size_t>(t.numel())), dtype_(t.dtype()), copy_(t.backend().read_later(t)) {}

  std::vector<double> values() const {
    return dispatch_real("training", dtype_, [&]<class T>() {
      std::vector<T> host(numel_);
      copy_->wait(host.data());
      return std::vector<double>(host.begin(), host.end());
    });
  }

 private:
  std::size_t numel_;
  Dtype dtype_;
  std::shared_ptr<HostCopy> copy_;  // shared, since a std::function copies what it holds
};

ReadMetrics read_later(const StepOutput& output) {
  std::vector<LateRead> parts;
  for (const Tensor& part : output.metrics) parts.emplace_back(part);
  return [parts, finite = LateRead(output.finite)] {
    StepMetrics metrics;
    for (const LateRead& part : parts) metrics.parts.push_back(part.values());
    metrics.finite = finite.values().at(0) == 1.0;
    return metrics;
  };
}

}  // namespace

StepRunner::StepRunner(Learner& learner, Objective& objective, const StepScalars& scalars, const StepRunnerOptions& options)
    : learner_(learner),
      objective_(objective),
      scalars_(scalars),
      options_(options),
      capture_(learner.parameters.values().backend().make_capture()),
      queues_(capture_ != nullptr) {
  if (!options.capture) capture_.reset();
}

StepRunner::~StepRunner() = default;

StepOutput StepRunner::eager(const StepInput& input) {
  projection_ = {};  // its memory serves the step
  try {
    StepOutput output = training_step(learner_, objective_, input, scalars_, options_.on_part);
    projection_ = output.projection;
    return output;
  } catch (const OutOfMemory& error) {
    throw MemoryError(memory_by_part(error, learner_, objective_, input.views));
  }
}

ReadMetrics StepRunner::run(const StepInput& input) {
  if (!queues_) {
    return [output = eager(input)] { return read_now(output); };
  }
  if (!capture_ || !takes(input)) return read_later(eager(input));
  for (std::size_t v = 0; v < input.views.size(); ++v) fixed_.views[v].copy_from(input.views[v]);
  if (input.labels) fixed_.labels.copy_from(input.labels);
  if (!recorded_ && (eager_steps_ < kWarmUpSteps || !record())) {
    ++eager_steps_;
    return read_later(eager(fixed_));
  }
  capture_->replay();
  learner_.ranks->after_replay();
  projection_ = output_.projection;
  return read_later(output_);
}

// Whether the input fits the fixed tensors, whose shapes are those of the first batch.
bool StepRunner::takes(const StepInput& input) {
  const auto like = [](const Tensor& t) { return t ? Tensor(t.shape(), t.dtype(), t.device()) : Tensor(); };
  if (fixed_.views.empty()) {
    for (const Tensor& view : input.views) fixed_.views.push_back(like(view));
    fixed_.labels = like(input.labels);
  }
  const auto fits = [](const Tensor& given, const Tensor& fixed) {
    if (!given || !fixed) return !given && !fixed;
    return given.shape() == fixed.shape() && given.dtype() == fixed.dtype();
  };
  return std::ranges::equal(input.views, fixed_.views, fits) && fits(input.labels, fixed_.labels);
}

// False where the step asks for more memory than the eager steps before it left in the allocator:
// one more eager step makes room. False, too, where the device refuses to record; capture_ is then
// null. Ranks take the same way, that of the one which comes least far: NCCL demands it.
bool StepRunner::record() {
  constexpr int kRecorded = 0, kNeedsMemory = 1, kRefused = 2;
  int own = kRecorded;
  std::string why = "that of another process does not";
  Backend& device = learner_.parameters.values().backend();
  try {
    capture_->begin();
    output_ = eager(fixed_);
    capture_->end();
  } catch (const MemoryError&) {
    if (eager_steps_ >= kMostEagerSteps) throw;
    own = kNeedsMemory;
  } catch (const DeviceError& refusal) {
    own = kRefused;
    why = refusal.what();
  }
  const int least = static_cast<int>(learner_.ranks->maximum(own));
  recorded_ = least == kRecorded;
  if (recorded_) return true;
  output_ = {};
  capture_.reset();
  if (least == kNeedsMemory) {
    capture_ = device.make_capture();
  } else {
    device.synchronize();  // throws where the error is sticky: every further step would fail, too
    if (options_.note) options_.note(concat("steps run eagerly; the device could not record one: ", why));
  }
  return false;
}

}  // namespace mec
