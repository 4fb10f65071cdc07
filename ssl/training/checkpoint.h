// Checkpoints of a run: all that training changes, as it is between two epochs. A run that goes on
// from one ends with the bits of a run that was never stopped.
//
// In the file: "online.…" and "teacher.…", parameters and buffers; "momentum.…"; "objective.…",
// what the objective's state() lists. In its metadata: step, steps_per_epoch, and each setting
// under its name.
#pragma once

#include "mec/nn/files/checkpoint.h"
#include "mec/ssl/training/trainer.h"

namespace mec {

// What must be the same for a run to go on. Settings as names and values, in the order in which
// differences are reported.
struct RunIdentity {
  std::int64_t steps_per_epoch = 1;
  std::vector<std::pair<std::string, std::string>> settings;
};

class Checkpoint {
 public:
  // IoError, naming the file, where it is missing, damaged, or no checkpoint of a run.
  explicit Checkpoint(const std::filesystem::path& path);

  std::int64_t step() const { return step_; }                      // steps done
  std::int64_t epoch() const { return step_ / steps_per_epoch_; }  // epochs done
  // IoError, with both values, where the checkpoint is of other settings, or has other tensors;
  // then nothing has been changed.
  void restore(const RunIdentity& identity, Learner& learner, const Objective& objective) const;

 private:
  std::int64_t number(const char* key) const;

  std::string file_;
  SafetensorsFile content_;
  std::int64_t step_, steps_per_epoch_;
};

// Writes a checkpoint every train.checkpoint_epochs epochs, where that is not 0, and after the
// last. Replaces the one before.
class CheckpointWriter : public Observer {
 public:
  // The objective outlives it.
  CheckpointWriter(std::filesystem::path path, const TrainSettings& train, RunIdentity identity, const Objective& objective);
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  std::filesystem::path path_;
  std::int64_t every_, epochs_;
  RunIdentity identity_;
  const Objective& objective_;
};

}  // namespace mec
