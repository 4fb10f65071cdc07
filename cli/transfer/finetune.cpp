#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/program.h"
#include "mec/cli/transfer/transfer.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/transfer/protocol.h"

namespace mec::cli {

namespace {

struct FinetuneOptions {
  EncoderOptions encoder;
  std::string scratch;
  std::optional<std::string> data, kind;
  TransferOptions transfer;
  std::optional<std::string> precision;
  std::optional<std::int64_t> seed, workers;
  DeviceOptions device;
  bool no_graph = false;
};

// And a line for the user, or "".
std::pair<PretrainSettings, std::string> collect_settings(const FinetuneOptions& options) {
  PretrainSettings settings;
  std::optional<PretrainSettings> run;
  if (!options.scratch.empty()) {
    run = read_settings(options.scratch);
    settings = protocol_settings(options.transfer, from_scratch(finetuning_protocol(image_size_of(*run))));
    begin_like(settings, *run);
  } else {
    const SavedEncoder encoder(options.encoder.source, options.encoder.hints);
    settings = protocol_settings(options.transfer, finetuning_protocol(encoder.info().image_size));
    begin_from(settings, encoder);
    run = encoder.settings();
  }
  take_images(settings, run, options.data, options.kind);
  if (options.precision) settings.train.precision = *options.precision;
  if (options.seed) settings.train.seed = static_cast<std::uint64_t>(*options.seed);
  if (options.workers) settings.data.workers = *options.workers;
  std::string said = apply(options.transfer, settings);
  return {settings, std::move(said)};
}

void run_finetune(const FinetuneOptions& options) {
  if (options.encoder.source.empty() == options.scratch.empty())
    throw UsageError("finetune takes a run or a weights file, or --scratch CONFIG");
  const auto [settings, said] = collect_settings(options);
  run_transfer(options.transfer, settings,
               {.name = options.scratch.empty() ? "finetuned" : "from scratch",
                .device = options.device,
                .no_graph = options.no_graph,
                .note = said});
}

}  // namespace

void add_finetune(Command program) {
  const auto options = std::make_shared<FinetuneOptions>();
  Command command = program.add_subcommand("finetune", "Train encoder and classifier on labels, all or a fraction");
  add_encoder_options(command, options->encoder, false);
  command.add_option("--scratch", options->scratch,
                     "Instead of an encoder: the network of these settings, from random weights");
  command.add_option("--data", options->data, "Folder of the data set; default: the one that the run trained on");
  command.add_option("--kind", options->kind, data_kinds());
  command.add_option("--workers", options->workers, "Threads that read images").between(0, 1024);
  add_transfer_options(command, options->transfer, {.help = "Settings (TOML); examples/transfer has published ones"});
  command.add_option("--out", options->transfer.out, "Folder for the run, results.json and confusion.csv").required();
  command.add_flag("!--no-baselines", options->transfer.beside, "Leave out the run from scratch and the probes");
  command.add_flag("--json", options->transfer.json, "One JSON object instead of a table");
  command.add_option("--precision", options->precision, "f32 or bf16: of activations").one_of({"f32", "bf16"});
  command.add_option("--seed", options->seed, "Of images, first weights, order and augmentation").not_negative();
  add_device_options(command, options->device);
  add_no_graph_option(command, options->no_graph);
  command.run([options] { run_finetune(*options); });
}

}  // namespace mec::cli
