// The steps of a run, one at a time, and what observers are told of them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "mec/ssl/training/trainer.h"

namespace mec {

// The body of a training loop, for whoever has the batches: each step takes its values from the
// plan, is read back and checked, and is told to observers before the next one begins. The rules
// are those of train().
class TrainingLoop {
 public:
  // Learner, objective and observers outlive it. options: as of train(), but for stop_requested:
  // the caller stops by taking no further step.
  TrainingLoop(Learner& learner, Objective& objective, const PretrainSettings& settings, const TrainPlan& plan,
               std::vector<Observer*> observers, const TrainOptions& options);
  ~TrainingLoop();

  std::int64_t steps_done() const;
  // The next step, on views of the plan's batch, which took so many seconds to make. ValueError
  // after the last one; NumericalError as of train().
  StepReport step(const std::vector<Tensor>& views, double seconds_of_views);
  // Training ends here: observers write what they have. Not to be followed by a step.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mec
