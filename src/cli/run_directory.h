// The folder of a run: settings.toml, metrics.jsonl, timings.jsonl, encoder.safetensors.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "mec/nn/weights_info.h"
#include "mec/ssl/trainer.h"

namespace mec::cli {

inline constexpr const char* kSettingsFile = "settings.toml";
inline constexpr const char* kMetricsFile = "metrics.jsonl";  // one line per step; the same command writes the same bytes
inline constexpr const char* kTimingsFile = "timings.jsonl";  // measured, so different each time
inline constexpr const char* kEncoderFile = "encoder.safetensors";

// What runs (folders or weights files) are called in tables and pictures: the last part of each path, or all of it where two would
// be called the same.
std::vector<std::string> names_of_runs(const std::vector<std::string>& paths);

// Writes the run's files while it trains: metrics and timings at each step, the encoder after each epoch.
class RunDirectory : public Observer {
 public:
  // Makes the folder and puts the settings there. IoError when it cannot be written or is not empty.
  RunDirectory(const std::filesystem::path& path, const PretrainSettings& settings, WeightsInfo info);

  void on_step(const StepReport& report) override;
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  void write_line(std::ofstream& file, const char* name, const std::string& line);

  std::filesystem::path path_;
  WeightsInfo info_;
  std::ofstream metrics_, timings_;
};

}  // namespace mec::cli
