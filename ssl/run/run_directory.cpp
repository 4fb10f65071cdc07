#include "mec/ssl/run/run_directory.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

#include <nlohmann/json.hpp>

#include "mec/nn/files/weights.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/rank_log.h"
#include "mec/ssl/run/run_network.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/input_file.h"
#include "mec/tensor/io/safetensors.h"

namespace mec {

namespace {

using Json = nlohmann::ordered_json;  // keeps keys in the order of insertion

// Ends the line of a step that changed nothing.
constexpr const char* kSkipped = "skipped";
constexpr const char* kSkippedEnd = "\"skipped\":true}";

// The folder of the ranks' logs counts as one.
constexpr std::array kRunFiles{kSettingsFile, kMetricsFile, kTimingsFile, kEncoderFile, kBestEncoderFile,
                               kPlansFile,    kChangesFile, kBrokenFile,  kEventsFile,  kRanksFolder};

// Settings that may differ when a run goes on: they make no difference to what is trained. (Images
// and steps that are skipped make one, but without data.on_broken=skip and train.on_nonfinite=skip
// there would be no run.)
constexpr std::array<std::string_view, 17> kFree{"data.path",
                                                 "data.workers",
                                                 "data.on_broken",
                                                 "data.broken_limit",
                                                 "data.eval_size",
                                                 "train.on_nonfinite",
                                                 "train.nonfinite_limit",
                                                 "train.health_steps",
                                                 "train.checkpoint_epochs",
                                                 "train.checkpoint_steps",
                                                 "train.checkpoint_minutes",
                                                 "train.checkpoints_kept",
                                                 "eval.every_epochs",
                                                 "eval.knn",
                                                 "eval.probe",
                                                 "eval.limit",
                                                 "log.tensorboard"};

void make_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check<IoError>(!error, path.string(), ": the output folder cannot be made: ", error.message());
}

// The file's content; "" where there is none.
std::string content_of(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return "";
  const auto bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

// The file that a killed run was writing, where this is the name of what it left:
// FILE.<process>-<attempt>.tmp. Empty: it is no such name.
std::string file_of_temporary(const std::string& name) {
  if (!name.ends_with(".tmp")) return "";
  const std::string file = name.substr(0, name.rfind('.', name.size() - 5));
  return step_in_name(file) || std::ranges::find(kRunFiles, file) != kRunFiles.end() ? file : "";
}

void remove_temporaries(const std::filesystem::path& folder) {
  std::set<std::string> files(kRunFiles.begin(), kRunFiles.end());  // one that is a link has them elsewhere
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.insert(file_of_temporary(entry.path().filename().string()));
  }
  files.erase("");
  for (const std::string& file : files) remove_leftovers(folder / file);
}

// Whether the folder holds a run that was stopped before its first checkpoint, and nothing else. It
// may then be overwritten, since the same settings produce it again. An encoder of other settings,
// or of a run that never makes checkpoints, is kept: it may be all that was wanted. A run writes
// its settings first, so without them no other file is a run's.
bool stopped_at_once(const std::filesystem::path& folder, const PretrainSettings& settings) {
  const bool has_settings = std::filesystem::exists(folder / kSettingsFile);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool is_file_of_run = std::ranges::find(kRunFiles, name) != kRunFiles.end();
    if (file_of_temporary(name).empty() && !(is_file_of_run && has_settings)) return false;  // a checkpoint, too
  }
  if (!std::filesystem::exists(folder / kEncoderFile)) return true;
  return settings.train.makes_checkpoints() && settings_that_train(read_run_settings(folder)) == settings_that_train(settings);
}

// The size of a file of lines up to the end of a step's line, and of the line of scores after it,
// where there is one.
struct LineEnds {
  std::uintmax_t step = 0, scores = 0;
  std::int64_t skipped = 0;  // so many of the last steps, in a row, were skipped
  bool has_scores() const { return scores > step; }
};

bool is_line_of_scores(const std::string& line, std::int64_t step) {
  return line.starts_with("{\"epoch\":") && line.find(concat(",\"step\":", step, ",")) != std::string::npos;
}

// Those of step `steps`. Checks all lines before.
LineEnds ends_of_step(const std::filesystem::path& path, std::int64_t steps) {
  std::ifstream file(path, std::ios::binary);
  LineEnds ends;
  std::string line;
  std::int64_t step = 0;
  bool whole = false;
  const auto next = [&] { whole = std::getline(file, line) && !file.eof(); };
  for (next(); step < steps; next()) {
    if (step > 0 && whole && !ends.has_scores() && is_line_of_scores(line, step)) {
      ends.scores += line.size() + 1;
      continue;
    }
    ++step;
    check<IoError>(whole && line.starts_with(concat("{\"step\":", step, ",")), path.string(), ": the line of step ", step,
                   " is missing, but ", checkpoint_name(steps), " counts on it");
    ends.step = ends.scores = ends.scores + line.size() + 1;
    ends.skipped = line.ends_with(kSkippedEnd) ? ends.skipped + 1 : 0;
  }
  if (whole && is_line_of_scores(line, steps)) ends.scores += line.size() + 1;
  return ends;
}

// Whether the file is of a step after `steps`, or not to be read.
bool is_of_later_step(const std::filesystem::path& weights, std::int64_t steps) {
  try {
    return std::stoll(read_safetensors_metadata(weights).at("step")) > steps;
  } catch (const std::exception&) {
    return true;
  }
}

}  // namespace

bool has_scores_of(const std::filesystem::path& run, std::int64_t step) {
  return ends_of_step(run / kMetricsFile, step).has_scores() && ends_of_step(run / kTimingsFile, step).has_scores();
}

std::vector<std::pair<std::string, std::string>> settings_that_train(const PretrainSettings& settings) {
  auto all = list_settings(settings);
  std::erase_if(all, [](const auto& setting) { return std::ranges::count(kFree, setting.first) > 0; });
  return all;
}

void check_lines(const std::filesystem::path& folder, std::int64_t step) {
  for (const char* file : {kMetricsFile, kTimingsFile}) ends_of_step(folder / file, step);
}

void write_events_of(const std::filesystem::path& run, std::int64_t batch) {
  if (!std::filesystem::exists(run / kEventsFile))
    EventFile(run / kEventsFile, batch).rewrite(run / kMetricsFile, run / kTimingsFile);
}

RunDirectory::RunDirectory(const std::filesystem::path& path, const PretrainSettings& settings, WeightsInfo info,
                           RunDirectoryOptions options)
    : path_(path),
      info_(std::move(info)),
      options_(std::move(options)),
      epochs_(settings.train.epochs),
      has_teacher_(has_averaged_teacher(settings)) {
  if (options_.steps_done > 0) go_on(settings);
  else begin(settings);
  if (settings.log.tensorboard) {
    events_ = std::make_unique<EventFile>(path_ / kEventsFile, settings.train.batch);
    begin_events();
  } else {  // of a former start: it would not grow with the run
    std::error_code ignored;
    std::filesystem::remove(path_ / kEventsFile, ignored);
  }
}

void RunDirectory::begin(const PretrainSettings& settings) {
  make_folder(path_);
  // The lock comes first: a run in progress may have no checkpoint yet.
  if (!options_.lock) options_.lock = std::make_unique<FolderLock>(path_);
  begins_again_ = !std::filesystem::is_empty(path_);
  check<IoError>(!begins_again_ || stopped_at_once(path_, settings), path_.string(),
                 ": the output folder is not empty; choose another with --out, or remove it first",
                 checkpoints_in(path_).empty() ? "" : "; --resume goes on with the run that it holds");
  remove_temporaries(path_);
  for (const char* file : {kEncoderFile, kBestEncoderFile, kChangesFile, kBrokenFile, kEventsFile})
    std::filesystem::remove(path_ / file);
  replace_file(path_ / kSettingsFile, write_settings(settings));
  metrics_ = std::make_unique<LineFile>(path_ / kMetricsFile, 0);
  timings_ = std::make_unique<LineFile>(path_ / kTimingsFile, 0);
}

void RunDirectory::begin_events() {
  std::string failure;
  try {
    events_->rewrite(path_ / kMetricsFile, path_ / kTimingsFile);
  } catch (const IoError& error) {  // nothing else is less without it
    failure = error.what();
  }
  tell(failure, told_of_events_);
}

void RunDirectory::go_on(const PretrainSettings& settings) {
  const std::filesystem::path metrics = path_ / kMetricsFile, timings = path_ / kTimingsFile;
  const LineEnds in_metrics = ends_of_step(metrics, options_.steps_done),
                 in_timings = ends_of_step(timings, options_.steps_done);
  const bool has_scores = in_metrics.has_scores() && in_timings.has_scores();
  skipped_in_a_row_ = in_metrics.skipped;
  remove_temporaries(path_);
  const std::filesystem::path best = path_ / kBestEncoderFile;
  if (std::filesystem::exists(best) && is_of_later_step(best, options_.steps_done)) std::filesystem::remove(best);
  std::string changes;
  for (const auto& [name, was, is] : options_.changes) {
    changes += Json{{"step", options_.steps_done}, {"setting", name}, {"was", was}, {"is", is}}.dump() + "\n";
  }
  // There already where the run was stopped before it had a checkpoint with them.
  const std::string before = content_of(path_ / kChangesFile);
  if (!before.ends_with(changes)) replace_file(path_ / kChangesFile, before + changes);
  if (content_of(path_ / kSettingsFile) != write_settings(settings))
    replace_file(path_ / kSettingsFile, write_settings(settings));
  metrics_ = std::make_unique<LineFile>(metrics, has_scores ? in_metrics.scores : in_metrics.step);
  timings_ = std::make_unique<LineFile>(timings, has_scores ? in_timings.scores : in_timings.step);
}

void RunDirectory::on_step(const StepReport& report) {
  Json metrics{{"step", report.step}, {"epoch", report.epoch}};
  for (const auto& [name, value] : report.metrics) metrics[name] = value;
  metrics["lr"] = report.values.lr;
  if (has_teacher_) metrics["ema"] = report.values.ema;
  for (const auto& [name, value] : report.scheduled) metrics[name] = value;
  if (report.skipped) metrics[kSkipped] = true;  // what is not finite is null
  const Json timings{{"step", report.step}, {"seconds", report.seconds}, {"data_seconds", report.data_seconds}};
  add_lines(metrics.dump(), timings.dump());
}

void RunDirectory::on_evaluation(const Evaluation& evaluation) {
  const Json begin{{"epoch", evaluation.epoch}, {"step", evaluation.step}};
  Json metrics = begin, timings = begin;
  for (const auto& [name, value] : evaluation.scores) metrics[name] = value;
  timings["seconds"] = evaluation.seconds;
  add_lines(metrics.dump(), timings.dump());
}

void RunDirectory::add_lines(const std::string& metrics, const std::string& timings) {
  const std::string first = metrics_->add(metrics), second = timings_->add(timings);
  tell(first.empty() ? second : first, told_of_lines_);
  if (events_ && events_->begun()) tell(events_->add(metrics, timings), told_of_events_);
}

void RunDirectory::on_epoch(std::int64_t epoch, Learner& learner) {
  try {
    sync_lines();
    if (events_ && !events_->begun()) begin_events();  // all lines are in their files now
    save_weights(path_ / kEncoderFile, *network_of(learner), to_metadata(info_));
    tell("", told_of_encoder_);
  } catch (const IoError& error) {
    if (epoch == epochs_) throw;
    tell(error.what(), told_of_encoder_);
  }
}

void RunDirectory::sync_lines() {
  metrics_->sync();
  timings_->sync();
}

// Once for each failure that others follow.
void RunDirectory::tell(const std::string& failure, bool& told) const {
  if (!failure.empty() && !told && options_.note) options_.note(concat(failure, "; training goes on, and it is tried again"));
  told = !failure.empty();
}

}  // namespace mec
