#include "mec/eval/run_report/run_facts.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/run_directory.h"
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
  const std::int64_t per_epoch = std::atoll(in_metadata(metadata, "steps_per_epoch").c_str());
  const std::int64_t steps = per_epoch * settings.train.epochs;
  if (steps > 0 && curves.step >= steps)
    return concat("complete: ", counted(settings.train.epochs, "epoch"), ", ", counted(steps, "step"));
  return concat("not complete: ", of_epochs, ", step ", curves.step, steps > 0 ? concat(" of ", steps) : std::string(),
                "; it is training, or was stopped. Its last line is from ", time_of(run / kMetricsFile));
}

std::string network_text(const PretrainSettings& settings) {
  const ModelSettings& model = settings.model;
  return concat(model.arch, ", width ", model.width, ", ", model.stem, " stem; embeddings of ", model.dim, " numbers");
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
    const auto change = nlohmann::json::parse(line, nullptr, false);
    if (!change.is_object()) continue;
    const auto text = [&](const char* name) {
      const auto value = change.find(name);
      return value == change.end() ? "?" : value->is_string() ? value->get<std::string>() : value->dump();
    };
    changes.push_back(concat(text("setting"), " ", text("was"), " → ", text("is"), " after step ", text("step")));
  }
  return joined(changes, "; ");
}

std::int64_t lines_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::int64_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

// "87.10 % (epoch 9)".
std::string best_text(const Curve& scores) {
  const auto best = std::ranges::max_element(scores.values);
  char text[64];
  std::snprintf(text, sizeof text, "%.2f %% at step %.0f", 100 * *best,
                scores.steps[static_cast<std::size_t>(best - scores.values.begin())]);
  return text;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
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
    if (curve.name == "knn" && !curve.values.empty()) add("best kNN", best_text(curve));
    if (curve.name == "images_per_second" && !curve.values.empty())
      add("speed",
          concat(std::llround(median(curve.values)), " images a second (median); ", duration(curves.seconds), " of steps"));
  }
  add("trained on", in_metadata(metadata, "computed_on"));
  add("went on with", changes_text(run));
  const std::int64_t broken = lines_in(run / kBrokenFile);
  if (broken > 0) add("skipped images", concat(broken, ", listed in ", kBrokenFile));
  add("cannot be read", curves.unread);
  return facts;
}

}  // namespace mec::report
