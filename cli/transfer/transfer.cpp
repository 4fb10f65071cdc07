#include "mec/cli/transfer/transfer.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>

#include <nlohmann/json.hpp>

#include "mec/cli/note.h"
#include "mec/cli/pictures.h"
#include "mec/cli/program.h"
#include "mec/cli/signals.h"
#include "mec/cli/told_run.h"
#include "mec/eval/plot.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/training_images.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/text.h"
#include "mec/transfer/protocol.h"

namespace mec::cli {

namespace {

constexpr const char* kResultsFile = "results.json";
constexpr const char* kConfusion = "confusion";
constexpr std::size_t kClassesShown = 20;

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", 100 * share);
  return text;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// "83.20 %", and of several seeds "82.9 to 83.6" behind it.
std::string with_range(const std::vector<double>& scores) {
  if (scores.empty()) return "";
  if (scores.size() == 1) return percent(scores.front());
  const auto [low, high] = std::ranges::minmax(scores);
  char range[64];
  std::snprintf(range, sizeof range, "  %.2f to %.2f", 100 * low, 100 * high);
  return percent(mean_of(scores)) + range;
}

void print_row(std::ostream& out, const ComparisonRow& row) {
  char line[256];
  std::snprintf(line, sizeof line, "%-30s %-24s %s", row.name.c_str(), with_range(row.top1).c_str(),
                with_range(row.top5).c_str());
  std::string text = line;
  text.erase(text.find_last_not_of(' ') + 1);
  out << text << "\n";
}

// What a class was most often taken for beside itself.
std::string mistaken_for(const Classification& scores, std::size_t label) {
  std::vector<std::int64_t> others = scores.confusion[label];
  const std::int64_t all = std::accumulate(others.begin(), others.end(), std::int64_t{0});
  others[label] = 0;
  const auto most = std::ranges::max_element(others);
  if (*most == 0) return "";
  return concat(printable(scores.classes[static_cast<std::size_t>(most - others.begin())]), " ",
                percent(static_cast<double>(*most) / static_cast<double>(all)));
}

void print_classes(std::ostream& out, const Classification& scores) {
  std::vector<std::size_t> labels(scores.classes.size());
  std::iota(labels.begin(), labels.end(), std::size_t{0});
  std::ranges::stable_sort(labels, {}, [&](std::size_t label) { return scores.of_class(label).value_or(2); });
  out << "\nclass                            right  most often taken for\n";
  for (std::size_t i = 0; i < std::min(labels.size(), kClassesShown); ++i) {
    const std::optional<double> right = scores.of_class(labels[i]);
    char line[512];
    std::snprintf(line, sizeof line, "%-28.28s %9s  %.40s", printable(scores.classes[labels[i]]).c_str(),
                  right ? percent(*right).c_str() : "-", mistaken_for(scores, labels[i]).c_str());
    out << line << "\n";
  }
  if (labels.size() > kClassesShown) out << "and " << labels.size() - kClassesShown << " others, better than these\n";
}

nlohmann::ordered_json to_json(const Comparison& comparison) {
  using Json = nlohmann::ordered_json;
  const auto row_of = [](const ComparisonRow& row) {
    Json json{{"name", row.name}, {"top1", row.top1}};
    if (!row.top5.empty()) json["top5"] = row.top5;
    return json;
  };
  Json rows = Json::array();
  for (const ComparisonRow& row : comparison.rows) rows.push_back(row_of(row));
  const Classification& scores = comparison.classification;
  Json classes = Json::array();
  for (std::size_t label = 0; label < scores.classes.size(); ++label) {
    const std::optional<double> right = scores.of_class(label);
    classes.push_back({{"class", scores.classes[label]},
                       {"accuracy", right ? Json(*right) : Json()},
                       {"taken_for", scores.confusion[label]}});
  }
  Json all{{"trained_on", comparison.trained_on},
           {"scored_on", comparison.scored_on},
           {"network_of", comparison.chosen},
           {"rows", rows}};
  if (comparison.best) all["best_on_test_images"] = row_of(*comparison.best);
  all["classes"] = classes;
  return all;
}

void write_files(const std::filesystem::path& folder, const Comparison& comparison, bool tell) {
  replace_file(folder / kResultsFile, to_json(comparison).dump(1) + "\n");
  const Classification& scores = comparison.classification;
  std::vector<std::vector<std::string>> table{{"class"}};
  Heatmap picture{.title = "share of a class's images",
                  .row_label = "class",
                  .column_label = "taken for",
                  .rows = scores.classes,
                  .columns = scores.classes,
                  .values = {}};
  table[0].insert(table[0].end(), scores.classes.begin(), scores.classes.end());
  for (std::size_t label = 0; label < scores.classes.size(); ++label) {
    const std::vector<std::int64_t>& counts = scores.confusion[label];
    const double all =
        static_cast<double>(std::max<std::int64_t>(1, std::accumulate(counts.begin(), counts.end(), std::int64_t{0})));
    std::vector<std::string> row{scores.classes[label]};
    picture.values.emplace_back();
    for (const std::int64_t count : counts) {
      row.push_back(std::to_string(count));
      picture.values.back().push_back(static_cast<double>(count) / all);
    }
    table.push_back(std::move(row));
  }
  write_csv(folder / concat(kConfusion, ".csv"), table);
  const std::string script = gnuplot_script(picture, kConfusion);
  if (tell) draw_pictures(script, folder, kConfusion);
  else draw(script, folder, kConfusion);
}

std::vector<std::uint64_t> seeds_of(const TransferOptions& options, const PretrainSettings& settings) {
  std::vector<std::uint64_t> seeds;
  for (int i = 0; i < options.seeds; ++i) seeds.push_back(settings.train.seed + static_cast<std::uint64_t>(i));
  return seeds;
}

}  // namespace

void add_transfer_options(Command command, TransferOptions& options, const ProtocolOption& protocol) {
  Option asked = command.add_option("--protocol", options.protocol, protocol.help);
  Option fraction =
      command.add_option("--fraction", options.fraction, "Of the training images, of each class alike: 0.01, 0.1, ...");
  Option list = command.add_option("--list", options.list, "Text file of the training images to learn from, one a line");
  list.excludes(fraction);
  Option validation = command.add_option("--validation", options.validation,
                                         "Of these, so many are held out, and the best epoch on them is kept: 0.1, ...");
  Option epochs = command.add_option("--epochs", options.epochs, "Default: the protocol's").positive();
  Option batch =
      command.add_option("--train-batch", options.batch, "Images in a batch; the rate follows. Default: the protocol's")
          .between(2, 1 << 30);
  Option seeds = command.add_option("--seeds", options.seeds, "Runs, each with images of its own; the table has mean and range")
                     .positive()
                     .show_default();
  Option set = add_set_option(command, options.assignments, "section.key=value: change a setting; may be repeated");
  Option resume = command.add_flag("--resume", options.resume, "Go on from the last checkpoints in the folder");
  if (protocol.alone) return;
  asked.group(kWithProtocol);
  for (Option* own : {&fraction, &list, &validation, &epochs, &batch, &seeds, &set, &resume})
    own->group(kWithProtocol).needs(asked);
}

PretrainSettings protocol_settings(const TransferOptions& options, const PretrainSettings& own) {
  return options.protocol.empty() ? own : read_settings(options.protocol);
}

void take_images(PretrainSettings& settings, const std::optional<PretrainSettings>& run, const std::optional<std::string>& path,
                 const std::optional<std::string>& kind) {
  if (!path && !run) throw UsageError("--data is needed: a weights file does not say what to learn from");
  settings.data.path = path ? *path : run->data.path;
  settings.data.kind = kind.value_or(path ? "auto" : run->data.kind);
  settings.data.exif_orientation = run && run->data.exif_orientation;
}

void apply(const TransferOptions& options, PretrainSettings& settings) {
  if (options.fraction) settings.data.fraction = *options.fraction;
  if (options.validation) settings.data.validation = *options.validation;
  if (!options.list.empty()) settings.data.list = options.list;
  if (options.epochs) settings.train.epochs = *options.epochs;
  if (options.batch) set_batch(settings, *options.batch);
  apply_assignments(settings, options.assignments);
  check<ValueError>(settings.method == kSupervised, "method is \"", settings.method,
                    "\", but this command learns from labels: \"", kSupervised, "\"");
  complete_paths(settings);
}

void print_comparison(std::ostream& out, const Comparison& comparison) {
  out << comparison.trained_on << "\nscored on " << comparison.scored_on << ", with the network of " << comparison.chosen
      << "\n\n";
  char header[128];
  std::snprintf(header, sizeof header, "%-30s %-24s %s", "", "top-1", "top-5");
  out << header << "\n";
  for (const ComparisonRow& row : comparison.rows) print_row(out, row);
  if (comparison.best) {
    print_row(out, *comparison.best);
    out << "(best epoch: chosen by the images that it is scored on, so too good)\n";
  }
  print_classes(out, comparison.classification);
}

void run_transfer(const TransferOptions& options, const PretrainSettings& asked, const std::string& name,
                  const DeviceOptions& device, bool no_graph) {
  PretrainSettings settings = asked;
  const std::int64_t images = open_training_images(settings, note_once).train->size();
  const bool as_asked = !options.protocol.empty() || options.epochs || options.batch;
  const std::string fitted = as_asked ? fit_batch(settings, images) : fit_to_images(settings, images);
  if (!fitted.empty()) note(fitted);
  std::ostream& log = options.json ? std::cerr : std::cout;
  const Device on = device.make();
  const auto train = [&](const PretrainSettings& run, const std::filesystem::path& folder) {
    return train_told(run, on, folder, log,
                      {.capture = !no_graph,
                       .resume = options.resume ? Resume::same_settings : Resume::never,
                       .stop_requested = stop_requested,
                       .computed_on = device.arithmetic(),
                       .note = note_once});
  };
  const ComparisonEnd end = compare_transfer({.settings = settings,
                                              .folder = options.out,
                                              .name = name,
                                              .seeds = seeds_of(options, settings),
                                              .beside = options.beside,
                                              .device = on,
                                              .train = train,
                                              .log = [&](const std::string& line) { log << line << std::endl; }});
  if (!end.comparison) throw_stopped(concat(" after step ", end.stopped.steps, "; the same command with --resume goes on"));
  if (options.json) std::cout << to_json(*end.comparison).dump() << std::endl;
  else {
    std::cout << "\n";
    print_comparison(std::cout, *end.comparison);
  }
  write_files(options.out, *end.comparison, !options.json);
}

}  // namespace mec::cli
