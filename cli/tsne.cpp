#include "mec/eval/tsne.h"

#include <cstdio>
#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/pictures.h"
#include "mec/eval/classes.h"
#include "mec/eval/features.h"
#include "mec/eval/plot.h"
#include "mec/ssl/run/run_directory.h"

namespace mec::cli {

namespace {

struct TsneCommand {
  std::vector<std::string> runs;
  DataOptions data{.limit = 5000};
  std::string split = "test";
  std::string out = "tsne";
  TsneOptions tsne;
  bool raw = false;
  DeviceOptions device;
  std::string precision = "f32";
};

std::string three_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

// Computes and collects the panels, one after another; prints a line for each.
class Picture {
 public:
  explicit Picture(const TsneOptions& options) : options_(options) {}

  void add(const std::string& name, const Features& features) {
    const Tsne result = fit_tsne(features.x, options_);
    std::cout << name << ": " << features.x.dim(0) << " images, width " << features.x.dim(1) << ", KL divergence "
              << three_digits(result.kl) << std::endl;
    const std::vector<std::int32_t> labels = join_classes(scatter_.classes, features);
    scatter_.panels.push_back({.title = concat(name, "   (KL ", three_digits(result.kl), ")"),
                               .points = result.y,
                               .labels = labels});
    const auto y = result.y.to_vector<float>();
    for (std::size_t i = 0; 2 * i < y.size(); ++i) {
      const std::string name_of_class =
          labels.empty() ? "" : scatter_.classes[static_cast<std::size_t>(labels[i])];
      table_.push_back(
          {name, std::to_string(i), name_of_class, concat(y[2 * i]), concat(y[2 * i + 1])});
    }
  }
  void write(const std::filesystem::path& folder) const {
    write_csv(folder / "tsne.csv", table_);
    draw_pictures(gnuplot_script(scatter_, "tsne"), folder, "tsne");
  }

 private:
  TsneOptions options_;
  Scatter scatter_;
  std::vector<std::vector<std::string>> table_{{"features", "index", "label", "x", "y"}};
};

void run_tsne(const TsneCommand& options) {
  const Device device = options.device.make();
  const Dtype dtype = parse_precision(options.precision, device);
  const StreamOptions stream = options.data.stream();
  const std::vector<std::string> names = names_of_runs(options.runs);
  // Opens all runs first: an error in the second should show before the first takes its minute.
  std::vector<EncoderSource> sources;
  std::vector<DatasetPtr> datasets;
  std::vector<ResNet> encoders;
  for (const std::string& run : options.runs) {
    sources.emplace_back(EncoderOptions{.source = run});
    datasets.push_back(sources.back().open_data(options.data, parse_split(options.split)));
    validate(options.tsne, datasets.back()->size());
    encoders.push_back(sources.back().load(device));
  }
  const std::filesystem::path folder = make_output_folder(options.out);

  Picture picture(options.tsne);
  if (options.raw) {
    picture.add("raw pixels", pixel_features(sources[0].stream_raw(datasets[0], device, stream)));
  }
  for (std::size_t i = 0; i < sources.size(); ++i) {
    picture.add(names[i], embed(encoders[i], sources[i].stream(datasets[i], device, stream), dtype));
  }
  picture.write(folder);
}

}  // namespace

void add_tsne(Command program) {
  const auto options = std::make_shared<TsneCommand>();
  Command command = program.add_subcommand("tsne", "A picture of features as points of the plane, coloured by label");
  command.add_option("runs", options->runs, "Folder of a run, or a weights file; two are drawn side by side")
      .required()
      .count(1, 2);
  add_data_options(command, options->data);
  command.remove_option("--limit");
  command.add_option("--n", options->data.limit, "At most so many images, spread evenly; time and memory grow with the square")
      .positive()
      .show_default();
  command.add_option("--split", options->split, "train or test").one_of({"train", "test"}).show_default();
  command.add_flag("--raw", options->raw, "Raw pixels beside them");
  command.add_option("--perplexity", options->tsne.perplexity, "Effective number of neighbours").show_default();
  command.add_option("--iterations", options->tsne.iterations, "Of gradient descent, the first 250 of them exaggerated")
      .between(250, 1000000)
      .show_default();
  command.add_option("--out", options->out, "Folder for tsne.csv, .gp, .png and .svg").show_default();
  add_precision_option(command, options->precision);
  add_device_options(command, options->device);
  command.run([options] { run_tsne(*options); });
}

}  // namespace mec::cli
