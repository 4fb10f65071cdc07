#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/note.h"
#include "mec/cli/options.h"
#include "mec/cli/places.h"
#include "mec/cli/program.h"
#include "mec/cli/ranks.h"
#include "mec/cli/signals.h"
#include "mec/cli/told_run.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

struct PretrainOptions {
  std::string config;
  std::string out;
  bool resume = false, with_changes = false;
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
  complete_paths(settings);
  return settings;
}

// The first rank alone keeps the run's plans, and tells.
Device make_device(const DeviceOptions& options, const std::filesystem::path& run, const Communicator& ranks) {
  if (ranks.rank() > 0) return options.make();
  if (options.nondeterministic && options.device == "cuda") note("--nondeterministic: the same run again will have other bits");
  return options.make((run / kPlansFile).string());
}

// A run's folder has its own settings.
void check_resumes_folder(const PretrainOptions& options) {
  if (!options.resume || options.with_changes) {
    throw UsageError(concat("'", options.config,
                            "' is a folder; a run in it goes on with --resume, with other settings with CONFIG "
                            "--out DIR --resume-with-changes"));
  }
  const std::pair<const char*, bool> given[] = {{"--out", !options.out.empty()},
                                                {"--set", !options.assignments.empty()},
                                                {"--precision", options.precision.has_value()},
                                                {"--seed", options.seed.has_value()}};
  for (const auto& [name, is_given] : given) {
    if (is_given) {
      throw UsageError(concat(name,
                              " excludes --resume DIR, which takes the run's own settings; CONFIG --out DIR --resume takes ",
                              "those of CONFIG"));
    }
  }
}

// After a signal: throws its status.
void check_complete(const RunEnd& end, const std::filesystem::path& folder) {
  if (end.complete) return;
  const std::string name = printable(folder.string());
  if (end.steps == 0) throw_stopped(concat(" before the first step of ", name));
  if (end.goes_on_after == 0)
    throw_stopped(concat(" after step ", end.steps, "; this run makes no checkpoints, so that nothing goes on from it"));
  const std::string failure = end.failure.empty() ? "" : concat("; ", end.failure);
  const std::string from = end.goes_on_after == end.steps ? "" : concat(", from step ", end.goes_on_after);
  throw_stopped(concat(" after step ", end.steps, failure, "; go on with mec pretrain --resume ", name, from));
}

// This rank's, with the notes so far: the run adds its own.
std::vector<std::string> surroundings_of(const DeviceOptions& device, Communicator& ranks) {
  if (ranks.size() == 1) return {};
  std::vector<std::string> lines{describe_places(device, ranks).at(static_cast<std::size_t>(ranks.rank()))};
  for (const std::string& text : held_notes()) lines.push_back(text);
  return lines;
}

// Makes this rank's device, over which all ranks then train the run of that folder.
Device begin_on_device(const DeviceOptions& options, const std::filesystem::path& folder, CommunicatorPtr& ranks,
                       RunOptions& run) {
  const Device device = make_device(options, folder, *ranks);
  between_gpus(ranks, options, device);
  run.ranks = ranks;
  run.surroundings = surroundings_of(options, *ranks);
  return device;
}

void run_pretrain(const PretrainOptions& options, CommunicatorPtr& ranks) {
  std::ostream nowhere(nullptr);
  std::ostream& log = ranks->rank() == 0 ? std::cout : nowhere;
  RunOptions run{.capture = !options.no_graph,
                 .within_minutes = options.within,
                 .stop_requested = stop_requested,
                 .computed_on = options.device.arithmetic()};
  if (std::filesystem::is_directory(options.config)) {
    check_resumes_folder(options);
    const std::filesystem::path folder = options.config;
    const Device device = begin_on_device(options.device, folder, ranks, run);
    return check_complete(resume_told(device, folder, log, run), folder);
  }
  const bool resumes = options.resume || options.with_changes;
  if (options.config.empty())
    throw UsageError(resumes ? "--resume takes CONFIG or the folder of a run" : "pretrain takes a config, or --resume DIR");
  check<IoError>(!resumes || std::filesystem::exists(options.config), options.config,
                 ": nothing to resume, there is neither a run's folder nor a settings file of that name");
  const PretrainSettings settings = collect_settings(options);
  const std::filesystem::path out =
      options.out.empty() ? "runs" / std::filesystem::path(options.config).stem() : std::filesystem::path(options.out);
  run.resume = options.with_changes ? Resume::other_settings : options.resume ? Resume::same_settings : Resume::never;
  const Device device = begin_on_device(options.device, out, ranks, run);
  const RunEnd end = train_told(settings, device, out, log, run);
  check_complete(end, out);
  if (end.trained) log << "wrote " << printable(out.string()) << std::endl;
}

}  // namespace

void add_pretrain(Command program) {
  const auto options = std::make_shared<PretrainOptions>();
  Command command = program.add_subcommand("pretrain", "Train an encoder without labels");
  command.add_option("config", options->config, "Settings (TOML); examples/configs has some. Or a run's folder, with --resume");
  command.add_option("--out", options->out, "Folder for settings, metrics and weights; default: runs/<name of CONFIG>");
  add_set_option(command, options->assignments, "section.key=value: change a setting; may be repeated");
  add_device_options(command, options->device);
  add_no_graph_option(command, options->no_graph);
  command.add_option("--precision", options->precision, "f32 or bf16: of activations").one_of({"f32", "bf16"});
  command.add_option("--seed", options->seed, "Of initial weights, order and augmentation").not_negative();
  const Option within = command
                            .add_option("--within", options->within,
                                        "Minutes: fewer epochs, at least one, where those of CONFIG would take longer here")
                            .positive();
  Option resume = command.add_flag("--resume", options->resume,
                                   "Go on from the last checkpoint in the run's folder; begin where there is none, end where "
                                   "the run is complete. Settings other than the run's are refused");
  Option with_changes = command.add_flag("--resume-with-changes", options->with_changes,
                                         "The same with other settings; changes.jsonl in the folder says which");
  resume.excludes(within);
  with_changes.excludes(within);
  command.run_in_each(
      [options] { run_in_ranks(options->device, [&](CommunicatorPtr& ranks) { run_pretrain(*options, ranks); }); });
}

}  // namespace mec::cli
