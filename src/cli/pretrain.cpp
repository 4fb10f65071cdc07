#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/options.h"
#include "mec/cli/progress.h"
#include "mec/cli/run_directory.h"
#include "mec/cli/settings_file.h"
#include "mec/ssl/methods.h"

namespace mec::cli {

namespace {

struct PretrainOptions {
  std::string config;
  std::string out;
  std::vector<std::string> assignments;
  DeviceOptions device;
  std::optional<std::string> precision;
  std::optional<std::int64_t> seed;
};

// The file, then --set, the method first, then the flags that have names of their own.
PretrainSettings collect_settings(const PretrainOptions& options) {
  PretrainSettings settings = read_settings(options.config);
  std::vector<std::string> assignments = options.assignments;
  std::ranges::stable_partition(assignments, [](const std::string& text) { return text.starts_with("method="); });
  for (const std::string& assignment : assignments) apply_assignment(settings, assignment);
  if (options.precision) settings.train.precision = *options.precision;
  if (options.seed) settings.train.seed = static_cast<std::uint64_t>(*options.seed);
  check<ValueError>(!settings.data.path.empty(), "data.path is missing: it names the folder of the images");
  settings.data.path = std::filesystem::absolute(settings.data.path).string();  // the run is evaluated from anywhere
  return settings;
}

DatasetPtr open_data(const DataSettings& data) {
  return open_dataset({.path = data.path,
                       .kind = data.kind,
                       .split = parse_split(data.split),
                       .limit = data.limit,
                       .channels = static_cast<int>(data.channels)});
}

Normalization normalization_of(const DataSettings& data, const DatasetInfo& info) {
  if (data.mean.empty() && data.std.empty()) return info.normalization;
  return {.mean = {data.mean.begin(), data.mean.end()}, .std = {data.std.begin(), data.std.end()}};
}

WeightsInfo describe_encoder(const ResNet& encoder, const TransformPtr& views, const DataSettings& data) {
  const Normalization& normalization = views->normalization();
  return {.encoder = encoder.config,
          .image_size = data.eval_size > 0 ? data.eval_size : views->size(0).width,
          .mean = {normalization.mean.begin(), normalization.mean.end()},
          .std = {normalization.std.begin(), normalization.std.end()}};
}

void run_pretrain(const PretrainOptions& options) {
  const PretrainSettings settings = collect_settings(options);
  const TrainSettings& train_settings = settings.train;
  const Device device = options.device.make();
  const std::unique_ptr<Objective> objective = make_step_objective(settings, device);

  const DatasetPtr dataset = open_data(settings.data);
  const TransformPtr views = make_augmentation(settings.augment, normalization_of(settings.data, dataset->info()));
  Loader loader(dataset, views,
                {.batch = train_settings.batch,
                 .epochs = train_settings.epochs,
                 .shuffle = true,
                 .drop_last = true,
                 .seed = train_settings.seed,
                 .workers = static_cast<int>(settings.data.workers)},
                device);
  const TrainPlan plan(settings, loader.batches_per_epoch());  // refuses settings before anything is written
  Learner learner({.model = settings.model,
                   .train = train_settings,
                   .in_channels = dataset->info().channels,
                   .ema_teacher = objective->ema_teacher()},
                  device);

  const std::filesystem::path out =
      options.out.empty() ? "runs" / std::filesystem::path(options.config).stem() : std::filesystem::path(options.out);
  RunDirectory directory(out, settings, describe_encoder(learner.online.encoder, views, settings.data));
  std::cout << "pre-training " << settings.model.arch << " (width " << settings.model.width << ") on " << dataset->size()
            << " images of " << dataset->info().kind << ": " << train_settings.epochs << " epochs of " << plan.steps_per_epoch()
            << " steps" << std::endl;
  Progress progress(std::cout, isatty(STDOUT_FILENO) != 0 ? kProgressBar : kProgressLog);
  train(learner, *objective, loader, settings, {&directory, &progress});
  std::cout << "wrote " << out.string() << std::endl;
}

}  // namespace

void add_pretrain(CLI::App& program) {
  const auto options = std::make_shared<PretrainOptions>();
  CLI::App* command = program.add_subcommand("pretrain", "Train an encoder without labels");
  command->add_option("config", options->config, "Settings (TOML); examples/configs has some")->required();
  command->add_option("--out", options->out, "Folder for settings, metrics and weights; default: runs/<name of CONFIG>");
  command->add_option("--set", options->assignments, "section.key=value: change a setting; may be repeated")
      ->take_all()
      ->expected(1)
      ->type_name("K=V");
  add_device_options(*command, options->device);
  command->add_option("--precision", options->precision, "f32 or bf16: of activations")->check(CLI::IsMember({"f32", "bf16"}));
  command->add_option("--seed", options->seed, "Of initial weights, order and augmentation")->check(CLI::NonNegativeNumber);
  command->callback([options] { run_pretrain(*options); });
}

}  // namespace mec::cli
