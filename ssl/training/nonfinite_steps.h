// What becomes of a run at steps whose loss or gradients are not finite.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "mec/ssl/settings.h"
#include "mec/ssl/training/step_runner.h"
#include "mec/ssl/training/trainer.h"

namespace mec {

// Stops the run at such a step, or, where train.on_nonfinite is "skip", counts it: the step itself
// has changed nothing then (rollback.h).
class NonfiniteSteps {
 public:
  using Note = std::function<void(const std::string&)>;

  // in_a_row: so many steps right before the first were skipped. `note` is told of the first step
  // that is skipped and, at the end, of their number.
  NonfiniteSteps(const TrainSettings& train, std::int64_t in_a_row, Note note);

  // Whether the step was skipped. NumericalError, naming step, loss, learning rate and what to do,
  // where it stops the run.
  bool skips(const StepReport& report, const StepMetrics& metrics);
  void finish() const;

 private:
  bool skip_;
  std::int64_t limit_, in_a_row_, skipped_ = 0;
  Note note_;
};

}  // namespace mec
