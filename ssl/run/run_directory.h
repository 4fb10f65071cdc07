// The folder of a run: settings.toml, metrics.jsonl, timings.jsonl, encoder.safetensors,
// checkpoint-<step>.safetensors (training/checkpoint_files.h); where encoders are scored also
// encoder-best.safetensors (evaluations.h); from a GPU convolution_plans.json; where a run went on
// with other settings changes.jsonl, where images were skipped broken.txt; with
// log.tensorboard events.out.tfevents.mec (event_file.h); of several processes ranks/ (rank_log.h).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mec/nn/files/weights_info.h"
#include "mec/ssl/run/evaluations.h"
#include "mec/ssl/run/event_file.h"
#include "mec/ssl/run/line_file.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/training/checkpoint.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/io/folder_lock.h"

namespace mec {

// One line per step, that of step 7 beginning with {"step":7, and after the steps whose encoders
// were scored another one that begins with {"epoch":. The same command writes the same bytes.
inline constexpr const char* kMetricsFile = "metrics.jsonl";
// The same lines with times: measured, so different each time.
inline constexpr const char* kTimingsFile = "timings.jsonl";
inline constexpr const char* kEncoderFile = "encoder.safetensors";
// One line for each setting that a run went on with another value of: step, setting, was, is.
inline constexpr const char* kChangesFile = "changes.jsonl";
inline constexpr const char* kPlansFile =
    "convolution_plans.json";  // the GPU's engines: a resumed run takes them, to get the same bits
inline constexpr const char* kBrokenFile = "broken.txt";

struct RunDirectoryOptions {
  std::int64_t steps_done = 0;
  // Where the run goes on: of the folder, taken before its checkpoint was read.
  std::unique_ptr<FolderLock> lock = {};
  std::vector<SettingChange> changes = {};  // that the run goes on with
  std::function<void(const std::string&)> note = {};
};

// Writes the run's files while it trains: metrics and timings at each step, the encoder after each
// epoch. What cannot be written (on a full disk) is told once and tried again: lines with the next
// step, the encoder and an event file that could not be begun after the next epoch. Lines and an
// encoder that cannot be written after the last epoch are an IoError.
class RunDirectory : public Observer {
 public:
  // With steps_done = 0, makes the folder and writes the settings. IoError when it cannot be
  // written, or holds anything but a run that was stopped before its first checkpoint: that run
  // begins again. Otherwise `path` is the folder of a run that was stopped: drops the lines of
  // later steps, and the best encoder where it is of one. IoError where it has fewer lines; nothing
  // is changed then.
  RunDirectory(const std::filesystem::path& path, const PretrainSettings& settings, WeightsInfo info,
               RunDirectoryOptions options = {});

  bool begins_again() const { return begins_again_; }
  // How many of the steps right before the one that the run goes on with were skipped.
  std::int64_t skipped_in_a_row() const { return skipped_in_a_row_; }
  // The lines of all steps so far reach the disk: a checkpoint counts on them. May be called by
  // another thread. IoError when they cannot.
  void sync_lines();

  void on_step(const StepReport& report) override;
  void on_evaluation(const Evaluation& evaluation) override;
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  void add_lines(const std::string& metrics, const std::string& timings);
  void begin(const PretrainSettings& settings);
  void go_on(const PretrainSettings& settings);
  void begin_events();
  void tell(const std::string& failure, bool& told) const;

  std::filesystem::path path_;
  WeightsInfo info_;
  RunDirectoryOptions options_;
  std::int64_t epochs_;
  bool has_teacher_;  // its coefficient is logged
  bool begins_again_ = false;
  std::int64_t skipped_in_a_row_ = 0;
  bool told_of_lines_ = false, told_of_encoder_ = false, told_of_events_ = false;  // that they cannot be written
  std::unique_ptr<LineFile> metrics_, timings_;
  std::unique_ptr<EventFile> events_;  // null without log.tensorboard
};

// IoError where metrics.jsonl or timings.jsonl has not the lines of the first `step` steps, without
// which a run cannot go on.
void check_lines(const std::filesystem::path& folder, std::int64_t step);
// Whether the run's lines have the scores of the encoders after `step` steps.
bool has_scores_of(const std::filesystem::path& run, std::int64_t step);

// Writes the event file of a run that has ended, where it has none: from its lines. IoError.
void write_events_of(const std::filesystem::path& run, std::int64_t batch);

// The settings that must stay the same for the run to go on.
std::vector<std::pair<std::string, std::string>> settings_that_train(const PretrainSettings& settings);

}  // namespace mec
