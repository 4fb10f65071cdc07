// Training steps on random images in device memory, to time a step without loading data.
#pragma once

#include <vector>

#include "mec/data/image.h"
#include "mec/ssl/training/learner.h"
#include "mec/ssl/training/step_runner.h"

namespace mec {

struct StepImages {
  std::vector<ImageSize> views;
  std::int64_t channels = 3;
  std::int64_t classes = 2;  // where the method learns from labels
};

class RandomStep {
 public:
  // Networks and objective of the settings, on batches of settings.train.batch such images; each
  // rank has its part of them.
  RandomStep(const PretrainSettings& settings, const StepImages& images, const Device& device,
             const StepRunnerOptions& options = {}, const CommunicatorPtr& ranks = one_process());

  double run();  // one step; waits for the device, and returns the loss
  bool replays() const { return runner_.replays(); }

 private:
  std::unique_ptr<Objective> objective_;
  Learner learner_;
  StepInput input_;
  StepScalars scalars_;
  StepRunner runner_;
};

}  // namespace mec
