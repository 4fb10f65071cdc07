// The folder of a run: settings.toml, metrics.jsonl, timings.jsonl, encoder.safetensors,
// checkpoint.safetensors; from a GPU also convolution_plans.json; broken.txt where images were
// skipped.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "mec/nn/files/weights_info.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/io/folder_lock.h"

namespace mec {

// One line per step; the same command writes the same bytes.
inline constexpr const char* kMetricsFile = "metrics.jsonl";
inline constexpr const char* kTimingsFile = "timings.jsonl";  // measured, so different each time
inline constexpr const char* kEncoderFile = "encoder.safetensors";
inline constexpr const char* kCheckpointFile = "checkpoint.safetensors";
inline constexpr const char* kPlansFile =
    "convolution_plans.json";  // the GPU's engines: a resumed run takes them, to get the same bits
inline constexpr const char* kBrokenFile = "broken.txt";

// Writes the run's files while it trains: metrics and timings at each step, the encoder after each
// epoch. The checkpoint comes after on_epoch(): the lines up to its step are then on the disk.
class RunDirectory : public Observer {
 public:
  // With steps_done = 0, makes the folder and writes the settings. IoError when it cannot be
  // written, or holds anything but a run that was stopped before its first checkpoint: that run
  // begins again. Otherwise `path` is the folder of a run that was stopped: drops the lines of
  // later steps. IoError where it has fewer lines, or another process is training there; nothing is
  // changed then.
  RunDirectory(const std::filesystem::path& path, const PretrainSettings& settings, WeightsInfo info, std::int64_t steps_done);

  bool begins_again() const { return begins_again_; }

  void on_step(const StepReport& report) override;
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  void begin(const PretrainSettings& settings);
  void go_on(std::int64_t steps_done);
  void write_line(std::ofstream& file, const char* name, const std::string& line);
  void check_written(const std::ostream& file, const char* name) const;

  std::filesystem::path path_;
  WeightsInfo info_;
  bool has_teacher_;  // its coefficient is logged
  std::unique_ptr<FolderLock> lock_;
  bool begins_again_ = false;
  std::ofstream metrics_, timings_;
};

}  // namespace mec
