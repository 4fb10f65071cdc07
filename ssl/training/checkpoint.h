// Checkpoints of a run: all that training changes, as it is between two steps. A run that goes on
// from one ends with the bits of a run that was never stopped.
//
// In the file: "online.…" and "teacher.…", parameters and buffers; "momentum.…"; "objective.…",
// what the objective's state() lists. In its metadata: step, steps_per_epoch, images,
// each setting under its name, and computed_on: the device and kernels that the bits come from.
#pragma once

#include "mec/nn/files/checkpoint.h"
#include "mec/ssl/training/trainer.h"

namespace mec {

// What must be the same for a run to go on. Settings as names and values, in the order in which
// differences are reported.
struct RunIdentity {
  std::int64_t steps_per_epoch = 1;
  std::int64_t images = 0;  // of the data set: the order within an epoch depends on it; 0: not known
  std::vector<std::pair<std::string, std::string>> settings;
  // What a checkpoint had of a setting that there was not yet.
  std::vector<std::pair<std::string, std::string>> defaults = {};
};

// A setting with its value in a checkpoint and its value now.
struct SettingChange {
  std::string name, was, is;
};

class Checkpoint {
 public:
  // IoError, naming the file, where it is missing, damaged, or no checkpoint of a run.
  explicit Checkpoint(const std::filesystem::path& path);

  std::int64_t step() const { return step_; }  // steps done
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::string computed_on() const;  // "" where the file does not say
  std::vector<SettingChange> changes(const RunIdentity& identity) const;
  // IoError, with both values of what differs.
  void check_same(const RunIdentity& identity) const;
  // IoError where the checkpoint has other tensors; then nothing has been changed.
  void restore(Learner& learner, const Objective& objective) const;

 private:
  std::string text(const std::string& key) const;  // of the metadata; "" where it is missing
  std::int64_t number(const char* key) const;

  std::string file_;
  SafetensorsFile content_;
  std::int64_t step_, steps_per_epoch_;
};

// Gives all ranks the state of rank 0.
void broadcast_state(Learner& learner, const Objective& objective);

// A copy of the run's state on `host` (copy_to_host()), which later steps do not change.
State copy_run_state(Learner& learner, const Objective& objective, const Device& host);
// Writes it as a checkpoint after `step` steps. Replaces the file atomically.
void save_checkpoint(const std::filesystem::path& path, State state, std::int64_t step, const RunIdentity& identity,
                     const std::string& computed_on);

}  // namespace mec
