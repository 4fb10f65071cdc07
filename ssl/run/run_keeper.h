// What the first of a run's processes keeps of it: the lines, encoders and checkpoints of its
// folder, the scores that they come with, and what is seen of its health.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "mec/ssl/run/broken_images.h"
#include "mec/ssl/run/evaluations.h"
#include "mec/ssl/run/health.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/train_run.h"
#include "mec/ssl/training/checkpoint_writer.h"

namespace mec {

struct RunKeeperOptions {
  std::filesystem::path folder;
  WeightsInfo info;
  RunIdentity identity;
  std::string computed_on;
  std::int64_t steps_done = 0;
  // As RunDirectoryOptions: of a run that goes on.
  std::unique_ptr<FolderLock> lock = {};
  std::vector<SettingChange> changes = {};
  std::unique_ptr<EncoderScorer> scorer = {};  // null: no epoch is scored
};

class RunKeeper {
 public:
  // Errors as of RunDirectory. The objective and the run's options outlive it.
  RunKeeper(const PretrainSettings& settings, const Objective& objective, const RunOptions& run, RunKeeperOptions options);

  bool begins_again() const { return directory_.begins_again(); }
  std::int64_t skipped_in_a_row() const { return directory_.skipped_in_a_row(); }  // of the last steps before
  // Says what encoders are scored by, and writes what the run must have before it goes on: a
  // checkpoint with changed settings, and the scores that it was stopped before.
  void prepare(Learner& learner);
  std::vector<Observer*> observers();  // of the run, in their order
  std::int64_t newest_checkpoint();    // its step; 0: there is none
  // Tries again what a full disk did not take after the run's last step: its encoder, its
  // checkpoint. Errors as of the observers.
  void write_end(std::int64_t step, Learner& learner);
  // Waits for the last files. IoError where one of them cannot be written, and there is no older
  // checkpoint to go on from.
  RunEnd finish(BrokenImages& broken, RunEnd end);

 private:
  const RunOptions& run_;
  const PretrainSettings& settings_;
  std::filesystem::path folder_;
  std::int64_t steps_done_, steps_per_epoch_;
  bool changed_;
  RunDirectory directory_;
  CheckpointWriter checkpoints_;
  Health health_;
  std::unique_ptr<Evaluations> evaluations_;
};

// Whether the epoch that ended with this step has its scores, where it is to have any.
bool has_its_scores(const std::filesystem::path& folder, const PretrainSettings& settings, std::int64_t step,
                    std::int64_t steps_per_epoch);

}  // namespace mec
