// How a training loop runs its steps: eagerly, or, where the device can keep a step, from a
// recording.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mec/ssl/training/step.h"
#include "mec/tensor/capture.h"

namespace mec {

// A step's metrics, on the host.
struct StepMetrics {
  std::vector<std::vector<double>> parts;  // of the objective, for its summarize()
  bool finite = true;                      // every gradient is
};
// Waits for the step and returns its metrics. Call it once; later steps may run before.
using ReadMetrics = std::function<StepMetrics()>;

struct StepRunnerOptions {
  bool capture = true;                                // false: every step is eager, on all devices
  OnPart on_part = [](const char*) {};                // of steps that are not replayed
  std::function<void(const std::string&)> note = {};  // is told why a step cannot be recorded
};

// Where the device offers a Capture: two eager steps allocate memory, plans and workspaces, the
// third is recorded, and it and all later ones are replayed. Views and labels are copied into
// tensors at fixed addresses, and metrics leave before the next step overwrites them. Scalars, and
// what the objective changes on a schedule, lie in tensors of their own anyway. Any other device
// runs each step on the given input, and its metrics stay where they were made until they are read.
//
// A step that does not fit into memory is a MemoryError that says what is held, by part.
//
// A device that refuses to record the step (DeviceError) is not asked again: all steps are eager,
// with the same bits. Where the device itself has failed, no step can run, and its DeviceError is
// thrown.
class StepRunner {
 public:
  StepRunner(Learner& learner, Objective& objective, const StepScalars& scalars, const StepRunnerOptions& options = {});
  ~StepRunner();

  ReadMetrics run(const StepInput& input);
  // The first view's in the last step, this rank's rows; the next one may write over it.
  const Tensor& projection() const { return projection_; }
  bool replays() const { return recorded_; }
  bool queues() const { return queues_; }  // the device runs asynchronously, behind the host

 private:
  StepOutput eager(const StepInput& input);
  bool takes(const StepInput& input);
  bool record();

  Learner& learner_;
  Objective& objective_;
  const StepScalars& scalars_;
  const StepRunnerOptions options_;
  int eager_steps_ = 0;
  StepInput fixed_;  // what a recorded step reads
  StepOutput output_;    // of the recorded step
  Tensor projection_;
  // null: every step is eager. Declared after the tensors above so that it is destroyed first: the
  // recorded step still writes into them.
  std::unique_ptr<Capture> capture_;
  const bool queues_;
  bool recorded_ = false;
};

}  // namespace mec
