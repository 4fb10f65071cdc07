#include <cstdio>
#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/pictures.h"
#include "mec/cli/program.h"
#include "mec/cli/study/rows.h"
#include "mec/eval/noise.h"
#include "mec/eval/plot.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

struct NoiseCommand {
  std::vector<std::string> runs;
  std::vector<double> sigmas{0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3};  // of inputs
  std::vector<double> feature_sigmas{0, 0.1, 0.25, 0.5, 1, 2};     // of features
  std::vector<std::string> on{"inputs", "features"};
  int seeds = 3;
  std::int64_t k = 20;
  DataOptions data;
  std::string out = "study-noise";
  DeviceOptions device;
  std::string precision = "f32";
};

using Json = StudyRows::Json;

// A run and its classifiers. These, and the clean test features, are computed once, and only when a
// row of the run is missing.
class RunUnderNoise {
 public:
  RunUnderNoise(const std::string& path, const NoiseCommand& options, const Device& device)
      : options_(options),
        device_(device),
        source_({.source = path}),
        dtype_(parse_precision(options.precision, device)),
        encoder_(source_.load(device)) {
    const Splits splits = source_.open_splits(options.data);
    train_ = splits.train;
    test_ = splits.test;
  }

  Json key() const {
    const std::string data = options_.data.path ? *options_.data.path : source_.settings()->data.path;
    return {{"study", "noise 2"},
            {"weights", fingerprint_of_file(source_.weights())},
            {"data", printable(std::filesystem::weakly_canonical(data).string())},
            {"kind", train_->info().kind},
            {"upright", options_.data.exif_orientation},
            {"train_images", train_->size()},
            {"test_images", test_->size()},
            {"knn", describe(knn())},
            {"linear", describe(LinearProbeOptions{})},
            {"precision", options_.precision}};
  }

  Json row(const std::string& on, double sigma, std::uint64_t seed) {
    if (!classifiers_) {
      classifiers_.emplace(features(source_stream(train_)), knn());
      clean_ = features(source_stream(test_));
    }
    NoiseScore score;
    if (on == "features") score = classifiers_->score_with_noise(clean_, sigma, seed);
    else score = classifiers_->score(features(add_image_noise(source_stream(test_), source_.normalization(), sigma, seed)));
    return {{"on", on}, {"sigma", sigma}, {"seed", seed}, {"knn", score.knn}, {"linear", score.linear}};
  }

 private:
  KnnOptions knn() const { return {.k = options_.k}; }
  Features features(const ImageStream& images) const { return embed(encoder_, images, dtype_); }
  ImageStream source_stream(const DatasetPtr& dataset) const {
    return source_.stream(dataset, device_, options_.data.stream());
  }

  const NoiseCommand& options_;
  Device device_;
  EncoderSource source_;
  Dtype dtype_;
  DatasetPtr train_, test_;
  ResNet encoder_;
  std::optional<CleanClassifiers> classifiers_;
  Features clean_;
};

// One panel for each kind of noise and classifier, one series for each run.
struct Results {
  std::vector<std::vector<std::string>> table{{"run", "on", "sigma", "seed", "knn", "linear"}};
  Curves curves;

  CurvePanel& panel(const std::string& on, const char* score) {
    const std::string title = concat(score, ", noise on ", on);
    for (CurvePanel& panel : curves) {
      if (panel.title == title) return panel;
    }
    curves.push_back(
        {.title = title,
         .x_label = on == "inputs" ? "σ of the noise, in pixels of [0, 1]" : "σ of the noise, in RMS of the features",
         .y_label = "test accuracy, %"});
    return curves.back();
  }
  void add(const std::string& run, const std::string& on, double sigma, const std::vector<Json>& rows) {
    for (const auto& [name, title] : {std::pair("knn", "kNN"), std::pair("linear", "linear probe")}) {
      std::vector<double> values;
      for (const Json& row : rows) values.push_back(100 * row.at(name).get<double>());
      std::vector<Series>& series = panel(on, title).series;
      if (series.empty() || series.back().name != run) series.push_back({.name = run, .points = {}});
      series.back().points.push_back(summarize(sigma, values));
    }
    for (const Json& row : rows) {
      table.push_back({run, on, concat(sigma), concat(row.at("seed").get<int>()), concat(row.at("knn").get<double>()),
                       concat(row.at("linear").get<double>())});
    }
  }
  // Prints the point that was added last: "inputs    σ 0.1    kNN 80.12 %   linear 82.30 %".
  void print_last(const std::string& on, double sigma, bool kept) {
    char line[128];
    std::snprintf(line, sizeof line, "  %-8s  σ %-5g  kNN %5.2f %%  linear %5.2f %%%s", on.c_str(), sigma,
                  panel(on, "kNN").series.back().points.back().mean, panel(on, "linear probe").series.back().points.back().mean,
                  kept ? "  (kept)" : "");
    std::cout << line << std::endl;
  }
};

void run_noise(const NoiseCommand& options) {
  const Device device = options.device.make();
  const std::vector<std::string> names = names_of_runs(options.runs);
  // Opens every run first, so that an error in one shows at once.
  for (const std::string& path : options.runs) RunUnderNoise(path, options, device);
  const std::filesystem::path folder = make_output_folder(options.out);
  Results results;
  for (std::size_t i = 0; i < names.size(); ++i) {
    RunUnderNoise run(options.runs[i], options, device);
    StudyRows kept(make_output_folder((folder / "rows").string()), run.key());
    std::cout << names[i] << std::endl;
    for (const std::string& on : options.on) {
      for (const double sigma : on == "inputs" ? options.sigmas : options.feature_sigmas) {
        std::vector<Json> rows;
        bool all_kept = true;
        // Without noise all seeds are the same.
        for (int seed = 0; seed < (sigma > 0 ? options.seeds : 1); ++seed) {
          const std::string name = concat(on, " ", sigma, " ", seed);
          all_kept = all_kept && kept.has(name);
          rows.push_back(kept.get(name, [&] { return run.row(on, sigma, static_cast<std::uint64_t>(seed)); }));
        }
        results.add(names[i], on, sigma, rows);
        results.print_last(on, sigma, all_kept);
      }
    }
  }
  write_csv(folder / "noise.csv", results.table);
  draw_pictures(gnuplot_script(results.curves, "noise"), folder, "noise");
}

}  // namespace

void add_study_noise(Command study) {
  const auto options = std::make_shared<NoiseCommand>();
  Command command = study.add_subcommand("noise", "Accuracy as Gaussian noise is added to test images and to their features");
  command.add_option("runs", options->runs, "Folders of runs, or weights files").required();
  command.add_option("--on", options->on, "inputs, features or both").list().one_of({"inputs", "features"}).show_default();
  command
      .add_option("--sigma", options->sigmas,
                  "Standard deviations on images, whose pixels lie in [0, 1]; nothing is clipped")
      .list()
      .between(0, 1000)
      .show_default();
  command
      .add_option("--feature-sigma", options->feature_sigmas,
                  "Those on features, in units of the root mean square feature")
      .list()
      .between(0, 1000)
      .show_default();
  command.add_option("--seeds", options->seeds, "Draws of the noise; the mean is drawn, with bars to the lowest and highest")
      .positive()
      .show_default();
  command.add_option("--k", options->k, "Neighbours that vote in kNN").positive().show_default();
  add_data_options(command, options->data);
  command.add_option("--out", options->out, "Folder for noise.csv, .gp, .png, .svg, and rows/, which a later call goes on from")
      .show_default();
  add_precision_option(command, options->precision);
  add_device_options(command, options->device);
  command.run([options] { run_noise(*options); });
}

}  // namespace mec::cli
