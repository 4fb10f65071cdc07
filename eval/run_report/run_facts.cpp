#include "mec/eval/run_report/run_facts.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <optional>

#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/run_line.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/text.h"

namespace mec::report {

namespace {

using Metadata = std::map<std::string, std::string>;

// Of the newest checkpoint whose head can be read; empty without one.
Metadata newest_metadata(const std::filesystem::path& run) {
  std::vector<std::int64_t> steps = checkpoints_in(run);
  std::ranges::reverse(steps);
  for (const std::int64_t step : steps) {
    try {
      return read_safetensors_metadata(run / checkpoint_name(step));
    } catch (const Error&) {  // a damaged one
    }
  }
  return {};
}

std::string in_metadata(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

std::string time_of(const std::filesystem::path& file) {
  std::error_code error;
  const auto written = std::filesystem::last_write_time(file, error);
  if (error) return "";
  const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::file_clock::to_sys(written));
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts)};
}

std::string duration(double seconds) {
  const std::int64_t minutes = std::llround(seconds / 60);
  if (minutes < 2) return concat(std::llround(seconds), " s");
  return minutes < 120 ? concat(minutes, " min") : concat(minutes / 60, " h ", minutes % 60, " min");
}

std::string progress_text(const std::filesystem::path& run, const PretrainSettings& settings, const RunCurves& curves,
                          const Metadata& metadata) {
  if (curves.step == 0) return "no step is done yet";
  const std::string of_epochs = concat("epoch ", curves.epoch, " of ", settings.train.epochs);
  // Without a checkpoint, the first epoch says how long one is, once another has begun.
  std::int64_t per_epoch = std::atoll(in_metadata(metadata, "steps_per_epoch").c_str());
  if (per_epoch == 0 && curves.epoch > 1) per_epoch = curves.steps_of_first_epoch;
  const std::int64_t steps = per_epoch * settings.train.epochs;
  if (steps > 0 && curves.step >= steps)
    return concat("complete: ", counted(settings.train.epochs, "epoch"), ", ", counted(steps, "step"));
  const std::string last_line = concat("Its last line is from ", time_of(run / kMetricsFile));
  if (steps == 0 && curves.epoch >= settings.train.epochs)
    return concat(of_epochs, ", step ", curves.step, "; without a checkpoint it is not known whether that is the last one. ",
                  last_line);
  return concat("not complete: ", of_epochs, ", step ", curves.step, steps > 0 ? concat(" of ", steps) : std::string(),
                "; it is training, or was stopped. ", last_line);
}

std::string network_text(const PretrainSettings& settings) {
  const ModelSettings& model = settings.model;
  const std::string encoder = concat(model.arch, ", width ", model.width, ", ", model.stem, " stem; ");
  return learns_from_labels(settings) ? encoder + "a classifier behind it"
                                      : concat(encoder, "embeddings of ", model.dim, " numbers");
}

std::string data_text(const DataSettings& data, const Metadata& metadata) {
  const std::string images = in_metadata(metadata, "images");
  return concat(data.path, data.kind == "auto" ? "" : concat(" (", data.kind, ")"), ", ", data.split, " split",
                images.empty() || images == "0" ? "" : concat(", ", images, " images"));
}

// The settings that it went on with, from changes.jsonl.
std::string changes_text(const std::filesystem::path& run) {
  std::ifstream file(run / kChangesFile);
  std::vector<std::string> changes;
  for (std::string line; std::getline(file, line);) {
    const auto change = parse_run_line(line);
    if (!change) continue;
    changes.push_back(
        concat(change->text("setting"), " ", change->text("was"), " → ", change->text("is"), " after step ", change->step));
  }
  return joined(changes, "; ");
}

std::int64_t lines_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::int64_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

// "87.10 % at step 640"; "" where no score is a number.
std::string best_text(const Curve& scores) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < scores.values.size(); ++i) {
    if (!std::isnan(scores.values[i]) && (!best || scores.values[i] > scores.values[*best])) best = i;
  }
  if (!best) return "";
  char text[64];
  std::snprintf(text, sizeof text, "%.2f %% at step %.0f", 100 * scores.values[*best], scores.steps[*best]);
  return text;
}

}  // namespace

std::vector<SettingLine> list_settings_beside_defaults(const PretrainSettings& settings) {
  PretrainSettings defaults;
  choose_method(defaults, settings.method);
  std::map<std::string, std::string> standard;
  for (const auto& [key, value] : list_settings(defaults)) standard[key] = value;
  std::vector<SettingLine> lines;
  for (const auto& [key, value] : list_settings(settings)) {
    const auto found = standard.find(key);
    lines.push_back({.key = key, .value = value, .standard = found == standard.end() ? "" : found->second});
  }
  return lines;
}

std::vector<Fact> facts_of(const std::filesystem::path& run, const PretrainSettings& settings, const RunCurves& curves) {
  const Metadata metadata = newest_metadata(run);
  std::vector<Fact> facts{{"method", settings.method},
                          {"network", network_text(settings)},
                          {"data", data_text(settings.data, metadata)},
                          {"progress", progress_text(run, settings, curves, metadata)}};
  const auto add = [&](const char* name, const std::string& text) {
    if (!text.empty()) facts.push_back({name, text});
  };
  for (const Curve& curve : curves.curves) {
    if (curve.name == "knn") add("best kNN", best_text(curve));
  }
  if (curves.images_per_second > 0)
    add("speed",
        concat(std::llround(curves.images_per_second), " images a second (median); ", duration(curves.seconds), " of steps"));
  add("trained on", in_metadata(metadata, "computed_on"));
  add("went on with", changes_text(run));
  const std::int64_t broken = lines_in(run / kBrokenFile);
  if (broken > 0) add("skipped images", concat(broken, ", listed in ", kBrokenFile));
  add("cannot be read", curves.unread);
  return facts;
}

std::int64_t images_of_training(const std::filesystem::path& run) {
  return std::atoll(in_metadata(newest_metadata(run), "images").c_str());
}

}  // namespace mec::report
