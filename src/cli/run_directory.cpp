#include "mec/cli/run_directory.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "mec/cli/settings_file.h"
#include "mec/nn/weights.h"
#include "mec/tensor/io/atomic_file.h"

namespace mec::cli {

namespace {

using Json = nlohmann::ordered_json;  // keys stay as they were put

std::filesystem::path make_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check<IoError>(!error, path.string(), ": the output folder cannot be made: ", error.message());
  check<IoError>(std::filesystem::is_empty(path, error) && !error, path.string(),
                 ": the output folder is not empty; choose another with --out, or remove it first");
  return path;
}

std::ofstream open_file(const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::binary);
  check<IoError>(file.good(), path.string(), ": cannot be written");
  return file;
}

}  // namespace

std::vector<std::string> names_of_runs(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const std::string& text : paths) {
    const std::filesystem::path path = std::filesystem::path(text).lexically_normal();
    names.push_back((path.has_filename() ? path : path.parent_path()).filename().string());  // "run/" ends in no name
  }
  const std::vector<std::string> last = names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(last, last[i]) > 1) names[i] = paths[i];
  }
  return names;
}

RunDirectory::RunDirectory(const std::filesystem::path& path, const PretrainSettings& settings, WeightsInfo info)
    : path_(make_folder(path)), info_(std::move(info)) {
  AtomicFile file(path_ / kSettingsFile);
  file.write(write_settings(settings));
  file.commit();
  metrics_ = open_file(path_ / kMetricsFile);
  timings_ = open_file(path_ / kTimingsFile);
}

void RunDirectory::on_step(const StepReport& report) {
  Json metrics{{"step", report.step}, {"epoch", report.epoch}};
  for (const auto& [name, value] : report.metrics) metrics[name] = value;
  metrics["lr"] = report.values.rate;
  metrics["ema"] = report.values.ema;
  metrics["lambda"] = report.values.lambda;
  write_line(metrics_, kMetricsFile, metrics.dump());
  write_line(timings_, kTimingsFile,
             Json{{"step", report.step}, {"seconds", report.seconds}, {"data_seconds", report.data_seconds}}.dump());
}

void RunDirectory::on_epoch(std::int64_t, Learner& learner) {
  metrics_.flush();
  timings_.flush();
  save_weights(path_ / kEncoderFile, learner.online.encoder, to_metadata(info_));
}

void RunDirectory::write_line(std::ofstream& file, const char* name, const std::string& line) {
  file << line << '\n';
  check<IoError>(file.good(), (path_ / name).string(), ": writing failed; is the disk full?");
}

}  // namespace mec::cli
