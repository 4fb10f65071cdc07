#include "mec/cli/transfer/transfer.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>

#include "mec/cli/note.h"
#include "mec/cli/pictures.h"
#include "mec/cli/program.h"
#include "mec/cli/signals.h"
#include "mec/cli/told_run.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/training_images.h"
#include "mec/tensor/text.h"
#include "mec/transfer/protocol.h"
#include "mec/transfer/results.h"

namespace mec::cli {

namespace {

constexpr std::size_t kClassesShown = 20;

// The text in so many columns of a terminal, cut or filled with blanks.
std::string in_columns(const std::string& text, std::size_t columns) {
  std::string cell = first_columns(printable(text), columns);
  std::size_t used = 0;
  for (std::size_t i = 0; i < cell.size(); i += std::max<std::size_t>(1, utf8_length(std::string_view(cell).substr(i)))) ++used;
  return cell + std::string(columns - std::min(used, columns), ' ');
}

void print_line(std::ostream& out, const std::string& text) { out << text.substr(0, text.find_last_not_of(' ') + 1) << "\n"; }

// "83.20 %", and of several seeds their range behind it.
std::string with_range(const std::vector<double>& scores) {
  if (scores.empty()) return "";
  if (scores.size() == 1) return percent(scores.front());
  const CurvePoint all = summarize(0, scores);
  char range[64];
  std::snprintf(range, sizeof range, "  %.2f to %.2f", 100 * all.low, 100 * all.high);
  return percent(all.mean) + range;
}

void print_row(std::ostream& out, const ComparisonRow& row) {
  print_line(out, concat(in_columns(row.name, 31), in_columns(with_range(row.top1) + (row.converged ? "" : " *"), 25),
                         with_range(row.top5)));
}

// What a class was most often taken for beside itself.
std::string mistaken_for(const Classification& scores, std::size_t label) {
  std::vector<std::int64_t> others = scores.confusion[label];
  const std::int64_t all = std::accumulate(others.begin(), others.end(), std::int64_t{0});
  others[label] = 0;
  const auto most = std::ranges::max_element(others);
  if (*most == 0) return "";
  const std::string share = percent(static_cast<double>(*most) / static_cast<double>(all));
  return concat(share, "  ", first_columns(printable(scores.classes[static_cast<std::size_t>(most - others.begin())]), 27));
}

// The worst first; of several seeds' runs the first.
void print_classes(std::ostream& out, const Classification& scores, bool several) {
  std::vector<std::size_t> labels(scores.classes.size());
  std::iota(labels.begin(), labels.end(), std::size_t{0});
  std::ranges::stable_sort(labels, {}, [&](std::size_t label) { return scores.of_class(label).value_or(2); });
  out << "\n";
  print_line(out,
             concat(in_columns(several ? "class (first seed)" : "class", 31), in_columns("right", 11), "most often taken for"));
  for (std::size_t i = 0; i < std::min(labels.size(), kClassesShown); ++i) {
    const std::optional<double> right = scores.of_class(labels[i]);
    print_line(out, concat(in_columns(scores.classes[labels[i]], 30), " ",
                           in_columns(right ? percent(*right) : "no images", 11), mistaken_for(scores, labels[i])));
  }
  if (labels.size() > kClassesShown) out << "and " << labels.size() - kClassesShown << " others, better than these\n";
}

std::vector<std::uint64_t> seeds_of(const TransferOptions& options, const PretrainSettings& settings) {
  std::vector<std::uint64_t> seeds;
  for (int i = 0; i < options.seeds; ++i) seeds.push_back(settings.train.seed + static_cast<std::uint64_t>(i));
  return seeds;
}

// Whether the length of the run is the user's choice.
bool chooses_length(const TransferOptions& options) {
  const bool sets = std::ranges::any_of(options.assignments, [](const std::string& assignment) {
    return assignment.starts_with("train.epochs=") || assignment.starts_with("train.batch=");
  });
  return sets || !options.protocol.empty() || options.epochs || options.batch;
}

}  // namespace

Option add_transfer_options(Command command, TransferOptions& options, const ProtocolOption& protocol) {
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
  if (protocol.alone) return asked;
  asked.group(kWithProtocol);
  for (Option* own : {&fraction, &list, &validation, &epochs, &batch, &seeds, &set, &resume})
    own->group(kWithProtocol).needs(asked);
  return asked;
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

std::string apply(const TransferOptions& options, PretrainSettings& settings) {
  if (options.fraction) settings.data.fraction = *options.fraction;
  if (options.validation) settings.data.validation = *options.validation;
  if (!options.list.empty()) settings.data.list = options.list;
  if (options.epochs) settings.train.epochs = *options.epochs;
  if (options.batch) set_batch(settings, *options.batch);
  apply_assignments(settings, options.assignments);
  check<ValueError>(settings.method == kSupervised, "method is \"", settings.method,
                    "\", but this command learns from labels: \"", kSupervised, "\"");
  complete_paths(settings);
  const std::int64_t images = open_training_images(settings, note_once).train->size();
  return chooses_length(options) ? fit_batch(settings, images) : fit_to_images(settings, images);
}

void print_comparison(std::ostream& out, const Comparison& comparison) {
  out << comparison.trained_on << "\nscored on " << comparison.scored_on << ", with the network of " << comparison.chosen
      << "\n\n";
  const bool has_top5 = !comparison.rows.front().top5.empty();
  print_line(out, concat(in_columns("", 31), in_columns("top-1", 25), has_top5 ? "top-5" : ""));
  for (const ComparisonRow& row : comparison.rows) print_row(out, row);
  if (comparison.best) {
    print_row(out, *comparison.best);
    out << "(best epoch: chosen by the images that it is scored on, so too good)\n";
  }
  if (!std::ranges::all_of(comparison.rows, &ComparisonRow::converged)) out << "* the probe has not converged\n";
  print_classes(out, comparison.classification, comparison.rows.front().top1.size() > 1);
}

void run_transfer(const TransferOptions& options, const PretrainSettings& settings, const TransferHow& how) {
  std::ostream& log = options.json ? std::cerr : std::cout;
  const Device device = how.device.make();
  const auto train = [&](const PretrainSettings& run, const std::filesystem::path& folder) {
    if (!how.note.empty()) note_once(how.note);
    return train_told(run, device, folder, log,
                      {.capture = !how.no_graph,
                       .resume = options.resume ? Resume::same_settings : Resume::never,
                       .stop_requested = stop_requested,
                       .computed_on = how.device.arithmetic(),
                       .note = note_once});
  };
  const ComparisonEnd end = compare_transfer({.settings = settings,
                                              .folder = options.out,
                                              .name = how.name,
                                              .seeds = seeds_of(options, settings),
                                              .beside = options.beside,
                                              .probe = how.probe,
                                              .batch = how.batch,
                                              .device = device,
                                              .train = train,
                                              .log = [&](const std::string& line) { log << line << std::endl; },
                                              .note = note_once});
  if (!end.comparison) throw_stopped(concat(" after step ", end.stopped.steps, "; the same command with --resume goes on"));
  write_results(options.out, *end.comparison);
  const std::string picture = gnuplot_script(confusion_picture(end.comparison->classification), kConfusionName);
  if (options.json) {
    std::cout << results_json(*end.comparison) << std::endl;
    draw(picture, options.out, kConfusionName);
    return;
  }
  std::cout << "\n";
  print_comparison(std::cout, *end.comparison);
  const char* const whose = options.seeds > 1 ? "the first seed's network: " : "the network: ";
  std::cout << "\n"
            << whose << printable(end.comparison->network.string()) << "\nwrote "
            << printable((std::filesystem::path(options.out) / kResultsFile).string()) << "\n";
  draw_pictures(picture, options.out, kConfusionName);
}

}  // namespace mec::cli
