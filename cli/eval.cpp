#include <cstdio>
#include <iomanip>
#include <iostream>

#include <nlohmann/json.hpp>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/pictures.h"
#include "mec/cli/program.h"
#include "mec/cli/ranks.h"
#include "mec/cli/transfer/transfer.h"
#include "mec/distributed/agreement.h"
#include "mec/eval/report.h"
#include "mec/transfer/protocol.h"

namespace mec::cli {

namespace {

struct EvalOptions {
  EncoderOptions encoder;
  DataOptions data;
  DeviceOptions device;
  std::string precision = "f32";
  KnnOptions knn;
  LinearProbeOptions linear;
  bool baselines = true;
  bool json = false;
  TransferOptions transfer;
};
constexpr const char* kSgd = "sgd";  // the protocol that is built in

struct Evaluation {
  std::int64_t train_images = 0, test_images = 0;
  std::string data;
  ReportOptions scores;
  std::vector<ReportRow> rows;
};

// The first rank has the rows.
Evaluation evaluate(const EvalOptions& options, const ReportOptions& scores, const CommunicatorPtr& ranks) {
  const EncoderSource source(options.encoder);
  const Device device = options.device.make();
  const Dtype dtype = parse_precision(options.precision, device);
  const Splits splits = source.open_splits(options.data);
  const StreamOptions how = options.data.stream(ranks);
  Evaluation out{.train_images = splits.train->size(),
                 .test_images = splits.test->size(),
                 .data = splits.train->info().kind,
                 .scores = scores,
                 .rows = {}};
  const auto add_row = [&](const std::string& name, const auto& features) {
    const Features train = features(splits.train), test = features(splits.test);
    on_first_rank(*ranks,
                  [&](const AtWork& at_work) { out.rows.push_back(make_report_row(name, train, test, scores, at_work)); });
  };
  const auto add_encoder = [&](const std::string& name, const ResNet& encoder) {
    add_row(name, [&](const DatasetPtr& dataset) { return embed(encoder, source.stream(dataset, device, how), dtype); });
  };
  const std::vector<std::string> facts{
      concat("training images = ", out.train_images), concat("test images = ", out.test_images), concat("batch = ", how.batch),
      concat("precision = ", options.precision), concat("arithmetic = ", options.device.arithmetic())};
  // Loaded first, so that an error in it shows before minutes of work.
  const ResNet encoder = source.load(device, facts, *ranks);
  if (options.baselines) {
    add_row("raw pixels", [&](const DatasetPtr& dataset) { return pixel_features(source.stream_raw(dataset, device, how)); });
    add_encoder("random encoder", source.random(device));
  }
  const auto& settings = source.settings();
  add_encoder(!settings ? "encoder" : settings->method == "mec" ? "MEC encoder" : "trained encoder", encoder);
  return out;
}

void print_table(const Evaluation& evaluation) {
  const auto& [knn, linear] = evaluation.scores;
  std::cout << evaluation.data << ": " << evaluation.train_images << " training images, " << evaluation.test_images
            << " test images\n";
  if (knn) std::cout << "kNN:    " << describe(*knn) << "\n";
  if (linear) std::cout << "linear: " << describe(*linear) << "\n";
  std::cout << "\n" << std::left << std::setw(16) << "features" << std::right << std::setw(7) << "width";
  if (knn) std::cout << std::setw(10) << "kNN";
  if (linear) std::cout << std::setw(10) << "linear";
  std::cout << "\n";
  bool unfinished = false;
  for (const ReportRow& row : evaluation.rows) {
    std::cout << std::left << std::setw(16) << row.features << std::right << std::setw(7) << row.width;
    if (row.knn) std::cout << std::setw(10) << percent(*row.knn);
    if (row.linear) std::cout << std::setw(10) << percent(row.linear->accuracy) << (row.linear->converged ? "" : " *");
    unfinished = unfinished || (row.linear && !row.linear->converged);
    std::cout << "\n";
  }
  if (unfinished) std::cout << "* the probe has not converged; raise --iterations\n";
}

void print_json(const Evaluation& evaluation) {
  using Json = nlohmann::ordered_json;
  const auto& [knn, linear] = evaluation.scores;
  Json out{{"data", evaluation.data}, {"train_images", evaluation.train_images}, {"test_images", evaluation.test_images}};
  if (knn) {
    out["knn"] = {{"k", knn->k},
                  {"temperature", knn->temperature},
                  {"distance", knn->distance == Distance::cosine ? "cosine" : "euclidean"},
                  {"center", knn->center}};
  }
  if (linear) out["linear"] = {{"c", linear->c}, {"tolerance", linear->tolerance}, {"standardized", true}};
  out["rows"] = Json::array();
  for (const ReportRow& row : evaluation.rows) {
    Json line{{"features", row.features}, {"width", row.width}};
    if (row.knn) line["knn_accuracy"] = *row.knn;
    if (row.linear) {
      line["linear_accuracy"] = row.linear->accuracy;
      line["linear_converged"] = row.linear->converged;
      line["linear_iterations"] = row.linear->iterations;
    }
    out["rows"].push_back(line);
  }
  std::cout << out.dump() << "\n";
}

void run_eval(const EvalOptions& options, bool knn, bool linear, const CommunicatorPtr& ranks) {
  ReportOptions scores{.knn = std::nullopt, .linear = std::nullopt};
  if (knn) scores.knn = options.knn;
  if (linear) scores.linear = options.linear;
  const Evaluation evaluation = evaluate(options, scores, ranks);
  if (ranks->rank() > 0) return;
  if (options.json) print_json(evaluation);
  else print_table(evaluation);
}

void add_knn_options(Command command, EvalOptions& options) {
  command.add_option("--k", options.knn.k, "Neighbours that vote").positive().show_default();
  command.add_option("--temperature", options.knn.temperature, "A vote weighs exp(cosine/T)").positive().show_default();
  command.add_option("--distance", options.knn.distance, "Between features",
                     {{"cosine", Distance::cosine}, {"euclidean", Distance::euclidean}});
  command.add_flag("--center", options.knn.center, "Subtract the training features' mean first");
}

void add_linear_options(Command command, EvalOptions& options) {
  command.add_option("--C", options.linear.c, "Inverse strength of the penalty, as in scikit-learn").positive().show_default();
  command.add_option("--iterations", options.linear.max_iterations, "At most so many steps of L-BFGS")
      .positive()
      .show_default();
}

// A classifier trained as papers do, in place of the converged probe.
void add_protocol(Command command, EvalOptions& options) {
  const Option protocol =
      add_transfer_options(command, options.transfer,
                           {.help = concat("Trains the classifier on augmented images instead: ", kSgd,
                                           ", as MEC's authors did, or settings (TOML); examples/transfer has some"),
                            .alone = false});
  command.add_option("--out", options.transfer.out, "Folder for the run; default: linear in the run's")
      .group(kWithProtocol)
      .needs(protocol);
}

void run_protocol(const EvalOptions& options) {
  TransferOptions transfer = options.transfer;
  transfer.beside = options.baselines;
  transfer.json = options.json;
  if (transfer.protocol == kSgd) transfer.protocol.clear();
  const SavedEncoder encoder(options.encoder.source, options.encoder.hints);
  if (transfer.out.empty()) {
    if (!encoder.settings()) throw UsageError("--out is needed: a weights file has no folder for the run of the protocol");
    transfer.out = (std::filesystem::path(options.encoder.source) / "linear").string();
  }
  PretrainSettings settings = protocol_settings(transfer, linear_protocol());
  begin_from(settings, encoder);
  take_images(settings, encoder.settings(), options.data.path, options.data.kind);
  // What is not said is the protocol's.
  if (options.data.limit > 0) settings.data.limit = settings.eval.limit = options.data.limit;
  if (options.data.workers != DataOptions{}.workers) settings.data.workers = options.data.workers;
  if (options.precision != EvalOptions{}.precision) settings.train.precision = options.precision;
  settings.data.exif_orientation = settings.data.exif_orientation || options.data.exif_orientation;
  const std::string said = apply(transfer, settings);
  run_transfer(transfer, settings,
               {.name = "linear, trained",
                .device = options.device,
                .probe = options.linear,
                .batch = options.data.batch,
                .note = said});
}

void add_mode(Command eval, const char* name, const char* what, bool knn, bool linear) {
  const auto options = std::make_shared<EvalOptions>();
  Command command = eval.add_subcommand(name, what);
  add_encoder_options(command, options->encoder);
  add_data_options(command, options->data);
  if (knn) add_knn_options(command, *options);
  if (linear) add_linear_options(command, *options);
  if (linear && !knn) add_protocol(command, *options);
  command.add_flag("!--no-baselines", options->baselines, "Leave out raw pixels and the random encoder");
  command.add_flag("--json", options->json, "One JSON object instead of a table");
  add_precision_option(command, options->precision);
  add_device_options(command, options->device);
  command.run_in_each([options, knn, linear] {
    if (!options->transfer.protocol.empty()) return run_alone([&] { run_protocol(*options); });
    run_in_ranks(options->device, [&](const CommunicatorPtr& ranks) { run_eval(*options, knn, linear, ranks); });
  });
}

}  // namespace

void add_eval(Command program) {
  Command eval = program.add_subcommand("eval", "Accuracy of an encoder's features, beside raw pixels and a random encoder");
  eval.require_subcommand();
  add_mode(eval, "knn", "Weighted k nearest neighbours", true, false);
  add_mode(eval, "linear", "Linear probe: logistic regression, converged", false, true);
  add_mode(eval, "table", "Both", true, true);
}

}  // namespace mec::cli
