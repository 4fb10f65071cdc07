// The steps of a run, one at a time, and what observers are told of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "mec/ssl/training/trainer.h"

namespace mec {

// The body of train(), for whoever has the batches: each step takes its values from the plan, and
// is read back, checked and told to observers, on a device that runs asynchronously a few steps
// late. All rules are those of train().
class TrainingLoop {
 public:
  // Learner, objective and observers outlive it. options: as of train(), but for stop_requested:
  // the caller stops by taking no further step.
  TrainingLoop(Learner& learner, Objective& objective, const PretrainSettings& settings, const TrainPlan& plan,
               std::vector<Observer*> observers, const TrainOptions& options);
  ~TrainingLoop();

  std::int64_t steps_done() const;
  // The next step, on the plan's batch, which was waited for so many seconds. ValueError after the
  // last one; NumericalError as of train().
  void step(const StepInput& batch, double data_seconds);
  // The same for a caller who has work of its own between two steps: the step's time counts from
  // `began`, and its report is read at once.
  StepReport step_now(const StepInput& batch, std::chrono::steady_clock::time_point began);
  // Training ends here: the last reports are read, and observers write what they have. Not to be
  // followed by a step.
  void finish();

 private:
  class Reports;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mec
