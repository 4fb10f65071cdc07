#include "mec/ssl/run/train_run.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>

#include "mec/data/formats/open_dataset.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/broken_images.h"
#include "mec/ssl/run/epoch_budget.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/training/checkpoint.h"
#include "mec/ssl/training/random_step.h"
#include "mec/tensor/clock.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

void tell(const Teller& teller, const std::string& line) {
  if (teller) teller(line);
}

DatasetPtr open_data(const DataSettings& data, const Teller& note) {
  DatasetPtr dataset = open_dataset({.path = data.path,
                                     .kind = data.kind,
                                     .split = parse_split(data.split),
                                     .limit = data.limit,
                                     .channels = static_cast<int>(data.channels),
                                     .exif_orientation = data.exif_orientation});
  for (const std::string& text : dataset->info().notes) tell(note, text);
  return dataset;
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

// Settings that may differ when a run is resumed: they make no difference to what is trained.
// (Images that are skipped make one, but without on_broken=skip there would be no run.)
constexpr std::array<std::string_view, 6> kFree{"data.path",         "data.workers",   "data.on_broken",
                                                "data.broken_limit", "data.eval_size", "train.checkpoint_epochs"};

RunIdentity identity_of(const PretrainSettings& settings, const TrainPlan& plan) {
  RunIdentity identity{.steps_per_epoch = plan.steps_per_epoch(), .settings = list_settings(settings)};
  std::erase_if(identity.settings, [](const auto& setting) { return std::ranges::count(kFree, setting.first) > 0; });
  return identity;
}

std::string start_text(const PretrainSettings& settings, const Dataset& dataset, const TrainPlan& plan) {
  return concat("pre-training ", settings.model.arch, " (width ", settings.model.width, ") on ", dataset.size(), " images of ",
                dataset.info().kind, ": ", counted(settings.train.epochs, "epoch"), " of ",
                counted(plan.steps_per_epoch(), "step"));
}

std::string minutes_text(double minutes) {
  return minutes < 1 ? "less than a minute" : concat("about ", std::lround(minutes), " min");
}

// The loader's work is left out: its threads prepare a batch while a step runs.
PretrainSettings keep_within(PretrainSettings settings, double minutes, const Dataset& dataset, const Transform& views,
                             const Device& device, const Teller& log) {
  // Throws for settings out of range.
  const TrainPlan plan(settings, dataset.size() / settings.train.batch);
  std::vector<ImageSize> sizes;
  for (int view = 0; view < views.views(); ++view) sizes.push_back(views.size(view));
  RandomStep step(settings, sizes, dataset.info().channels, device);
  time_rounds(2, [&] { step.run(); });
  const double step_seconds = median(time_rounds(5, [&] { step.run(); }));
  const std::int64_t asked = settings.train.epochs;
  const EpochBudget budget = fit_epochs(minutes, step_seconds, plan.steps_per_epoch(), asked, plan.fewest_epochs());
  settings.train.epochs = budget.epochs;
  const auto takes = [&](std::int64_t epochs) { return minutes_text(budget.minutes_per_epoch * static_cast<double>(epochs)); };
  std::string text = concat(counted(asked, "epoch"), asked == 1 ? " takes " : " take ", takes(asked), " here");
  if (settings.train.epochs < asked) {
    text +=
        concat(": training ", settings.train.epochs, " instead, ", takes(settings.train.epochs), " (--within ", minutes, ")");
  }
  tell(log, text);
  return settings;
}

LoaderOptions loader_options(const PretrainSettings& settings, std::int64_t first_epoch, BrokenImages& broken) {
  return {.batch = settings.train.batch,
          .epochs = settings.train.epochs,
          .shuffle = true,
          .drop_last = true,
          .seed = settings.train.seed,
          .workers = static_cast<int>(settings.data.workers),
          .first_epoch = first_epoch,
          .on_broken = settings.data.on_broken,
          .broken_limit = settings.data.broken_limit,
          .on_skipped = [&broken](const std::string& message) { broken.add(message); }};
}

// From the start, or from a checkpoint.
void run(const PretrainSettings& asked, const Device& device, const std::filesystem::path& out, const RunOptions& options,
         std::unique_ptr<Checkpoint> from) {
  const DatasetPtr dataset = open_data(asked.data, options.note);
  const TransformPtr views = make_augmentation(asked.augment, normalization_of(asked.data, dataset->info()));
  const PretrainSettings settings =
      options.within_minutes ? keep_within(asked, *options.within_minutes, *dataset, *views, device, options.log) : asked;
  const TrainSettings& train_settings = settings.train;
  const std::unique_ptr<Objective> objective = make_step_objective(settings, device);
  BrokenImages broken(out / kBrokenFile, settings.data.broken_limit, options.note);
  Loader loader(dataset, views, loader_options(settings, from ? from->epoch() : 0, broken), device);
  // Throws for wrong settings before anything is written.
  const TrainPlan plan(settings, loader.batches_per_epoch());
  Learner learner({.model = settings.model,
                   .train = train_settings,
                   .in_channels = dataset->info().channels,
                   .ema_teacher = objective->ema_teacher()},
                  device);
  CheckpointWriter checkpoints(out / kCheckpointFile, train_settings, identity_of(settings, plan), *objective);
  std::int64_t done = 0;
  if (from) {
    from->restore(identity_of(settings, plan), learner, *objective);
    done = from->step();
    from.reset();  // frees its memory
  }
  if (done >= plan.steps()) {
    return tell(options.log, concat(printable(out.string()), ": training has ended already, after ",
                                    counted(train_settings.epochs, "epoch")));
  }

  RunDirectory directory(out, settings, describe_encoder(learner.online.encoder, views, settings.data), done);
  if (directory.begins_again()) {
    tell(options.log,
         concat("beginning again in ", printable(out.string()), ": the run there was stopped before its first checkpoint"));
  }
  if (done > 0) {
    tell(options.log, concat("resuming ", printable(out.string()), " at epoch ", done / plan.steps_per_epoch() + 1));
  }
  tell(options.log, start_text(settings, *dataset, plan));
  // The directory goes first: a checkpoint relies on the lines of the steps before it.
  std::vector<Observer*> all{&directory, &checkpoints};
  all.insert(all.end(), options.observers.begin(), options.observers.end());
  try {
    train(learner, *objective, loader, settings, all, {.steps_done = done, .capture = options.capture, .note = options.note});
  } catch (const BrokenImageError& error) {
    if (settings.data.on_broken == OnBroken::skip) throw;
    throw BrokenImageError(
        concat(error.what(), "; data.on_broken=skip trains without such images, and lists them in ", kBrokenFile));
  } catch (const NumericalError& error) {
    if (!std::filesystem::exists(out / kCheckpointFile)) throw;
    throw NumericalError(concat(error.what(), "; the last good state is in ", (out / kCheckpointFile).string()));
  }
}

}  // namespace

void train_run(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out,
               const RunOptions& options) {
  run(settings, device, out, options, nullptr);
}

void resume_run(const Device& device, const std::filesystem::path& folder, const RunOptions& options) {
  const bool goes_on = std::filesystem::exists(folder / kCheckpointFile);
  const bool is_run = std::filesystem::exists(folder / kSettingsFile);
  std::optional<PretrainSettings> settings;
  if (goes_on || is_run) settings = read_run_settings(folder);
  check<IoError>(goes_on || (settings && settings->train.checkpoint_epochs > 0), folder.string(),
                 ": nothing to resume, there is no ", kCheckpointFile,
                 "; mec pretrain writes one every train.checkpoint_epochs epochs");
  run(*settings, device, folder, options, goes_on ? std::make_unique<Checkpoint>(folder / kCheckpointFile) : nullptr);
}

}  // namespace mec
