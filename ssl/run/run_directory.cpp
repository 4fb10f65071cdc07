#include "mec/ssl/run/run_directory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <nlohmann/json.hpp>

#include "mec/nn/files/weights.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/input_file.h"

namespace mec {

namespace {

using Json = nlohmann::ordered_json;  // keeps keys in the order of insertion

constexpr std::array kRunFiles{kSettingsFile,   kMetricsFile, kTimingsFile, kEncoderFile,
                               kCheckpointFile, kPlansFile,   kBrokenFile};

void make_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check<IoError>(!error, path.string(), ": the output folder cannot be made: ", error.message());
}

// Whether the name is that of a run's file, or of one that a killed run was writing. A run writes
// its settings first, so without them no other file is a run's.
bool belongs_to_run(const std::string& name, bool has_settings) {
  return std::ranges::any_of(kRunFiles, [&](const std::string& file) {
    return (name == file && has_settings) || (name.starts_with(file + ".") && name.ends_with(".tmp"));
  });
}

std::string text_of(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

// Whether the folder holds a run that was stopped before its first checkpoint, and nothing else. It
// may then be overwritten, since the same settings produce it again. An encoder of other settings,
// or of a run that never makes checkpoints, is kept: it may be all that was wanted.
bool stopped_at_once(const std::filesystem::path& folder, const PretrainSettings& settings) {
  const bool has_settings = std::filesystem::exists(folder / kSettingsFile);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!belongs_to_run(entry.path().filename().string(), has_settings)) return false;
  }
  if (std::filesystem::exists(folder / kCheckpointFile)) return false;
  if (!std::filesystem::exists(folder / kEncoderFile)) return true;
  return settings.train.checkpoint_epochs > 0 && text_of(folder / kSettingsFile) == write_settings(settings);
}

std::ofstream open_file(const std::filesystem::path& path, std::ios::openmode mode = std::ios::out) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | mode);
  check<IoError>(file.good(), path.string(), ": cannot be written: ", std::generic_category().message(errno));
  return file;
}

// The size of the file up to the end of the line of step `steps`. Checks all lines before it.
std::uintmax_t end_of_step(const std::filesystem::path& path, std::int64_t steps) {
  std::ifstream file(path, std::ios::binary);
  std::uintmax_t end = 0;
  std::string line;
  for (std::int64_t step = 1; step <= steps; ++step) {
    const bool whole = std::getline(file, line) && !file.eof();
    check<IoError>(whole && line.starts_with(concat("{\"step\":", step, ",")), path.string(), ": line ", step,
                   " is missing or not that of step ", step, ", but the checkpoint is of step ", steps,
                   "; the run cannot go on without its lines");
    end += line.size() + 1;
  }
  return end;
}

}  // namespace

RunDirectory::RunDirectory(const std::filesystem::path& path, const PretrainSettings& settings,
                           WeightsInfo info, std::int64_t steps_done)
    : path_(path),
      info_(std::move(info)),
      has_teacher_(has_averaged_teacher(settings)) {
  if (steps_done > 0) go_on(steps_done);
  else begin(settings);
}

void RunDirectory::begin(const PretrainSettings& settings) {
  make_folder(path_);
  // The lock comes first: a run in progress may have no checkpoint yet.
  lock_ = std::make_unique<FolderLock>(path_);
  begins_again_ = !std::filesystem::is_empty(path_);
  const bool goes_on = std::filesystem::exists(path_ / kCheckpointFile);
  check<IoError>(!begins_again_ || stopped_at_once(path_, settings), path_.string(),
                 ": the output folder is not empty; choose another with --out, or remove it first",
                 goes_on ? "; --resume goes on with the run that it holds" : "");
  for (const char* file : kRunFiles) remove_leftovers(path_ / file);
  for (const char* file : {kEncoderFile, kBrokenFile}) std::filesystem::remove(path_ / file);
  AtomicFile file(path_ / kSettingsFile);
  file.write(write_settings(settings));
  file.commit();
  metrics_ = open_file(path_ / kMetricsFile);
  timings_ = open_file(path_ / kTimingsFile);
}

void RunDirectory::go_on(std::int64_t steps_done) {
  lock_ = std::make_unique<FolderLock>(path_);
  const std::filesystem::path metrics = path_ / kMetricsFile, timings = path_ / kTimingsFile;
  const std::uintmax_t metrics_end = end_of_step(metrics, steps_done), timings_end = end_of_step(timings, steps_done);
  metrics_ = open_file(metrics, std::ios::app);
  timings_ = open_file(timings, std::ios::app);
  std::filesystem::resize_file(metrics, metrics_end);
  std::filesystem::resize_file(timings, timings_end);
  for (const char* file : {kCheckpointFile, kEncoderFile, kBrokenFile}) remove_leftovers(path_ / file);
}

void RunDirectory::on_step(const StepReport& report) {
  Json metrics{{"step", report.step}, {"epoch", report.epoch}};
  for (const auto& [name, value] : report.metrics) metrics[name] = value;
  metrics["lr"] = report.values.lr;
  if (has_teacher_) metrics["ema"] = report.values.ema;
  for (const auto& [name, value] : report.scheduled) metrics[name] = value;
  write_line(metrics_, kMetricsFile, metrics.dump());
  write_line(timings_, kTimingsFile,
             Json{{"step", report.step}, {"seconds", report.seconds}, {"data_seconds", report.data_seconds}}.dump());
}

void RunDirectory::on_epoch(std::int64_t, Learner& learner) {
  for (const auto& [file, name] : {std::pair{&metrics_, kMetricsFile}, std::pair{&timings_, kTimingsFile}}) {
    check_written(file->flush(), name);
    sync_file(path_ / name);
  }
  save_weights(path_ / kEncoderFile, learner.online.encoder, to_metadata(info_));
}

void RunDirectory::write_line(std::ofstream& file, const char* name, const std::string& line) {
  errno = 0;
  check_written(file << line << '\n', name);
}

void RunDirectory::check_written(const std::ostream& file, const char* name) const {
  check<IoError>(file.good(), (path_ / name).string(),
                 ": writing failed: ", errno != 0 ? std::generic_category().message(errno) : "is the disk full?");
}

}  // namespace mec
