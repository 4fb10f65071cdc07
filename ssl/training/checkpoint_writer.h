// Writes a run's checkpoints beside its training.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <string>

#include "mec/ssl/training/checkpoint.h"

namespace mec {

struct CheckpointWriterOptions {
  std::filesystem::path folder;
  std::string computed_on = {};  // for the checkpoints' metadata
  std::int64_t steps_done = 0;   // there is a checkpoint of this step already; 0: there is none
  // Called on the writing thread before the checkpoint is made: brings to the disk what it counts
  // on. An exception is a failed write.
  std::function<void()> before = {};
  std::function<void(const std::string&)> note = {};
};

// A variance may overflow in a step whose loss and gradients are finite. NumericalError where a
// running statistic of batch norm is not finite after so many steps: no checkpoint may hold it.
void check_statistics(Learner& learner, std::int64_t step);

// Writes a checkpoint when one is due by train.checkpoint_epochs, _steps or _minutes, and where
// training ends; none where all of these are 0. Keeps the last train.checkpoints_kept of them:
// older ones go when the newer one is on the disk.
//
// The state is copied between two steps, and a thread writes the copy while training goes on. One
// write is under way at a time: a checkpoint that becomes due meanwhile is made after the first
// step that finds the disk ready, so that a slow disk never holds up training and takes one copy's
// memory, which is kept for the next. Time decides when checkpoints are made, and nothing else.
//
// None is made while steps are skipped (train.on_nonfinite), but where training ends: the weights
// may be why, and older checkpoints, which are without fault, would go.
//
// A write that fails leaves the checkpoints before it, and is told once; the next one that is due
// is tried again.
class CheckpointWriter : public Observer {
 public:
  // The objective outlives it.
  CheckpointWriter(const TrainSettings& train, RunIdentity identity, const Objective& objective,
                   CheckpointWriterOptions options);
  ~CheckpointWriter() override;  // waits for the write under way

  void on_step(const StepReport& report) override { skipping_ = report.skipped; }
  bool wants_state(const StepEnd& end) override;
  // NumericalError where a running statistic of batch norm is not finite: such a checkpoint could
  // not be read.
  void on_state(const StepEnd& end, Learner& learner) override;
  // Waits for the write under way. IoError where the last one failed.
  void finish();
  // Waits for it. The step of the newest checkpoint that is on the disk; 0: there is none.
  std::int64_t newest();

 private:
  bool is_due(std::int64_t step) const;
  std::string write(State state, std::int64_t step) const;
  void begin(std::int64_t step, Learner& learner);
  void collect();
  void fail(const std::string& reason);
  void tell();
  void note(const std::string& line) const;

  TrainSettings train_;
  RunIdentity identity_;
  const Objective& objective_;
  CheckpointWriterOptions options_;
  Device host_;                                     // of the copies: keeps their memory from one to the next
  std::chrono::steady_clock::time_point begun_at_;  // the last write
  std::int64_t begun_;                              // its step, where it has not failed
  std::int64_t written_;                            // the step of the last that is on the disk
  bool due_ = false;
  bool skipping_ = false;             // the last step was skipped
  std::string failure_;               // of the last write; empty: it succeeded
  bool told_ = false;                 // of that failure, or of one that it followed
  std::string complaint_;             // about the last write that succeeded
  std::future<std::string> writing_;  // last: its thread uses the members above
};

}  // namespace mec
