#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/note.h"
#include "mec/cli/options.h"
#include "mec/cli/program.h"
#include "mec/cli/told_run.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

struct PretrainOptions {
  std::string config;
  std::string out;
  std::string resume;
  std::vector<std::string> assignments;
  DeviceOptions device;
  bool no_graph = false;
  std::optional<std::string> precision;
  std::optional<std::int64_t> seed;
  std::optional<double> within;
};

// The file, changed by --set, and then by --precision and --seed.
PretrainSettings collect_settings(const PretrainOptions& options) {
  PretrainSettings settings = read_settings(options.config);
  apply_assignments(settings, options.assignments);
  if (options.precision) settings.train.precision = *options.precision;
  if (options.seed) settings.train.seed = static_cast<std::uint64_t>(*options.seed);
  complete_data_path(settings);
  return settings;
}

void run_pretrain(const PretrainOptions& options) {
  const auto device_of = [&](const std::filesystem::path& run) {
    if (options.device.nondeterministic && options.device.device == "cuda") {
      note("--nondeterministic: the same run again will have other bits");
    }
    return options.device.make((run / kPlansFile).string());
  };
  if (!options.resume.empty()) {
    if (options.device.device != "cuda" && std::filesystem::exists(std::filesystem::path(options.resume) / kPlansFile)) {
      note(concat(printable(options.resume), " was trained on a GPU; without --device cuda it goes on with other bits"));
    }
    return resume_told(device_of(options.resume), options.resume, std::cout, {.capture = !options.no_graph});
  }
  if (options.config.empty()) throw UsageError("pretrain takes a config, or --resume DIR");
  const PretrainSettings settings = collect_settings(options);
  const std::filesystem::path out =
      options.out.empty() ? "runs" / std::filesystem::path(options.config).stem() : std::filesystem::path(options.out);
  train_told(settings, device_of(out), out, std::cout, {.capture = !options.no_graph, .within_minutes = options.within});
  std::cout << "wrote " << printable(out.string()) << std::endl;
}

}  // namespace

void add_pretrain(Command program) {
  const auto options = std::make_shared<PretrainOptions>();
  Command command = program.add_subcommand("pretrain", "Train an encoder without labels");
  const Option config = command.add_option("config", options->config, "Settings (TOML); examples/configs has some");
  const Option out =
      command.add_option("--out", options->out, "Folder for settings, metrics and weights; default: runs/<name of CONFIG>");
  const Option set = add_set_option(command, options->assignments, "section.key=value: change a setting; may be repeated");
  add_device_options(command, options->device);
  add_no_graph_option(command, options->no_graph);
  const Option precision =
      command.add_option("--precision", options->precision, "f32 or bf16: of activations").one_of({"f32", "bf16"});
  const Option seed = command.add_option("--seed", options->seed, "Of initial weights, order and augmentation").not_negative();
  const Option within = command
                            .add_option("--within", options->within,
                                        "Minutes: fewer epochs, at least one, where those of CONFIG would take longer here")
                            .positive();
  Option resume = command.add_option("--resume", options->resume,
                                     "Folder of a run that was stopped: go on from its checkpoint, with its settings");
  for (const Option& other : {config, out, set, precision, seed, within}) resume.excludes(other);
  command.run([options] { run_pretrain(*options); });
}

}  // namespace mec::cli
