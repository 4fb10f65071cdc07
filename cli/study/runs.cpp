#include "mec/cli/study/runs.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "mec/cli/encoder_source.h"
#include "mec/cli/note.h"
#include "mec/cli/pictures.h"
#include "mec/cli/told_run.h"
#include "mec/eval/features.h"
#include "mec/eval/report.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

using Json = StudyRows::Json;

// Means over the last epoch, the time, and the result of MeasureAtEnd, which needs the networks.
class Summary : public Observer {
 public:
  Summary(std::int64_t epochs, std::filesystem::path run, const StudyRuns::MeasureAtEnd& measure)
      : epochs_(epochs), run_(std::move(run)), measure_(measure) {}

  void on_step(const StepReport& report) override {
    seconds_ += report.seconds;
    if (report.epoch < epochs_) return;
    ++steps_;
    for (const auto& [name, value] : report.metrics) sums_[name] = sums_.value(name, 0.0) + value;
  }
  void on_epoch(std::int64_t epoch, Learner& learner) override {
    if (epoch == epochs_ && measure_) extra_ = measure_(learner, run_);
  }
  Json result() const {
    Json means = Json::object();
    for (const auto& [name, sum] : sums_.items()) means[name] = sum.get<double>() / static_cast<double>(steps_);
    return {{"metrics", means}, {"seconds", seconds_}, {"extra", extra_}};
  }

 private:
  std::int64_t epochs_;
  std::filesystem::path run_;
  const StudyRuns::MeasureAtEnd& measure_;
  std::int64_t steps_ = 0;
  double seconds_ = 0;
  Json sums_ = Json::object(), extra_ = Json::object();
};

StudyRun run_of(const Json& row) {
  StudyRun run;
  run.failure = row.value("failure", "");
  if (!run.failure.empty()) return run;
  run.metrics = row.at("metrics");
  run.seconds = row.at("seconds").get<double>();
  run.tensor_mib = row.at("tensor_mib").get<double>();
  run.extra = row.at("extra");
  run.knn = row.at("knn").get<double>();
  run.linear = row.at("linear").get<double>();
  return run;
}

void print(const std::string& name, const StudyRun& run, bool kept) {
  char line[256];
  if (!run.failure.empty()) std::snprintf(line, sizeof line, "%-28s failed: %.200s", name.c_str(), run.failure.c_str());
  else
    std::snprintf(line, sizeof line, "%-28s kNN %5.2f %%  linear %5.2f %%  %.0f s%s", name.c_str(), 100 * run.knn,
                  100 * run.linear, run.seconds, kept ? "  (kept)" : "");
  std::cout << line << std::endl;
}

}  // namespace

void add_study_options(Command command, StudyOptions& options, const std::string& out) {
  options.out = out;
  command.add_option("config", options.config, "Settings (TOML) that all runs share").required();
  add_set_option(command, options.assignments, "section.key=value: change a setting of all runs; may be repeated");
  command.add_option("--seeds", options.seeds, "Runs of each variant; the mean is drawn, with bars to the lowest and highest")
      .positive()
      .show_default();
  command.add_option("--k", options.k, "Neighbours that vote in kNN").positive().show_default();
  command.add_option("--out", options.out, "Folder for table, pictures, runs/, and rows/, which a later call goes on from")
      .show_default();
  add_data_options(command, options.data);
  add_device_options(command, options.device);
}

StudyRuns::StudyRuns(const StudyOptions& options) : options_(options), folder_(options.out), device_(options.device.make()) {}

PretrainSettings StudyRuns::settings(const std::vector<std::string>& assignments, const std::string& method) const {
  PretrainSettings settings = read_settings(options_.config, method);
  apply_assignments(settings, assignments);
  apply_assignments(settings, options_.assignments);
  complete_paths(settings);
  return settings;
}

Json StudyRuns::train_one(const std::filesystem::path& out, const PretrainSettings& settings,
                          const MeasureAtEnd& measure) const {
  std::filesystem::remove_all(out);  // a run that was stopped half-way, or had other settings
  Summary summary(settings.train.epochs, out, measure);
  device_->allocator().reset_high_water();
  try {
    train_told(settings, device_, out, std::cout, {.observers = {&summary}, .note = note_once});
  } catch (const NumericalError& error) {
    return {{"failure", printable(error.what())}};
  }
  Json result = summary.result();
  result["tensor_mib"] = static_cast<double>(device_->allocator().stats().high_water) / (1 << 20);
  return result;
}

Json StudyRuns::score(const std::filesystem::path& run) const {
  const EncoderSource source({.source = run.string()});
  const ResNet encoder = source.load(device_);
  const auto [train, test] = source.open_splits(options_.data);
  const auto features = [&](const DatasetPtr& dataset) {
    return embed(encoder, source.stream(dataset, device_, options_.data.stream()));
  };
  const ReportRow row = make_report_row(run.filename().string(), features(train), features(test),
                                        {.knn = KnnOptions{.k = options_.k}, .linear = LinearProbeOptions{}});
  return {{"knn", *row.knn}, {"linear", row.linear->accuracy}};
}

std::vector<StudyRun> StudyRuns::train(const std::string& name, const PretrainSettings& settings, const MeasureAtEnd& measure) {
  std::vector<StudyRun> runs;
  for (int seed = 0; seed < options_.seeds; ++seed) {
    PretrainSettings own = settings;
    own.train.seed = static_cast<std::uint64_t>(seed);
    // A study that is resumed keeps complete runs alone.
    own.train.checkpoint_epochs = own.train.checkpoint_steps = 0;
    own.train.checkpoint_minutes = 0;
    StudyRows kept(make_output_folder((folder_ / "rows").string()), {{"study", concat("runs 4, ", MEC_VERSION)},
                                                                     {"run", name},
                                                                     {"settings", write_settings(own)},
                                                                     {"threads", options_.device.threads},
                                                                     {"kernels", options_.device.kernels},
                                                                     {"k", options_.k},
                                                                     {"eval_data", printable(options_.data.path.value_or(""))},
                                                                     {"eval_kind", options_.data.kind.value_or("")},
                                                                     {"eval_limit", options_.data.limit},
                                                                     {"eval_upright", options_.data.exif_orientation}});
    const std::string run_name = concat(name, "-", seed);
    const std::filesystem::path out = folder_ / "runs" / run_name;
    const bool is_kept = kept.has("run");
    const Json row = kept.get("run", [&] {
      open_splits(options_.data, own, own.data.channels);  // throws now what scoring would throw later
      Json result = train_one(out, own, measure);
      if (!result.contains("failure")) result.update(score(out));
      return result;
    });
    runs.push_back(run_of(row));
    print(run_name, runs.back(), is_kept);
  }
  return runs;
}

void add_point(CurvePanel& panel, const std::string& name, double x, const std::vector<StudyRun>& runs,
               const ValueOfRun& value_of) {
  std::vector<double> values;
  for (const StudyRun& run : runs) {
    if (!run.failure.empty()) continue;
    if (const std::optional<double> value = value_of(run)) values.push_back(*value);
  }
  if (values.empty()) return;
  auto series = std::ranges::find(panel.series, name, &Series::name);
  if (series == panel.series.end()) series = panel.series.insert(series, {.name = name, .points = {}});
  series->points.push_back(summarize(x, values));
}

StudyTable::StudyTable(const std::vector<std::string>& columns, const std::vector<std::string>& metrics)
    : metrics_(metrics), rows_{columns} {
  for (const char* column : {"seed", "knn", "linear", "seconds", "tensor_mib"}) rows_[0].push_back(column);
  rows_[0].insert(rows_[0].end(), metrics.begin(), metrics.end());
  rows_[0].push_back("failure");
}

void StudyTable::add(const std::vector<std::string>& values, const std::vector<StudyRun>& runs) {
  for (std::size_t seed = 0; seed < runs.size(); ++seed) {
    const StudyRun& run = runs[seed];
    std::vector<std::string> row = values;
    row.push_back(std::to_string(seed));
    const auto put = [&](const std::string& text) { row.push_back(run.failure.empty() ? text : ""); };
    for (const double number : {run.knn, run.linear, run.seconds, run.tensor_mib}) put(concat(number));
    for (const std::string& metric : metrics_) {
      const Json& of = run.metrics.contains(metric) ? run.metrics : run.extra;
      put(of.contains(metric) ? concat(of.at(metric).get<double>()) : "");
    }
    row.push_back(run.failure);
    rows_.push_back(row);
  }
}

void write_study(const StudyRuns& runs, const std::string& name, const StudyTable& table, Curves curves) {
  write_csv(make_output_folder(runs.folder().string()) / (name + ".csv"), table.rows());
  std::erase_if(curves, [](const CurvePanel& panel) { return panel.series.empty(); });
  if (!curves.empty()) draw_pictures(gnuplot_script(curves, name), runs.folder(), name);
}

}  // namespace mec::cli
