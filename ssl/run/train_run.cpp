#include "mec/ssl/run/train_run.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "mec/data/formats/open_dataset.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/broken_images.h"
#include "mec/ssl/run/epoch_budget.h"
#include "mec/ssl/run/health.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/training/checkpoint.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "mec/ssl/training/checkpoint_writer.h"
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

RunIdentity identity_of(const PretrainSettings& settings, std::int64_t steps_per_epoch, std::int64_t images = 0) {
  return {.steps_per_epoch = steps_per_epoch, .images = images, .settings = settings_that_train(settings)};
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

// Where a run goes on: its folder, locked, and the checkpoint; neither where it begins.
struct Former {
  std::unique_ptr<FolderLock> lock;
  std::unique_ptr<Checkpoint> checkpoint;

  std::int64_t step() const { return checkpoint ? checkpoint->step() : 0; }
};

// Whether that run is complete, as far as can be said without its data: a run that has ended says
// so where they are gone. IoError where it is of other settings, and these are not wanted.
bool is_complete(const Former& former, const PretrainSettings& settings, Resume resume) {
  if (!former.checkpoint || resume == Resume::other_settings) return false;
  const std::int64_t steps_per_epoch = former.checkpoint->steps_per_epoch();
  former.checkpoint->check_same(identity_of(settings, steps_per_epoch));
  return former.step() / steps_per_epoch >= settings.train.epochs;
}

RunEnd ended_already(const RunOptions& options, const std::filesystem::path& out, std::int64_t steps, std::int64_t epochs) {
  tell(options.log, concat(printable(out.string()), ": training has ended already, after ", counted(epochs, "epoch")));
  return {.steps = steps, .trained = false, .complete = true, .resumable = true};
}

Loader make_loader(const PretrainSettings& settings, const DatasetPtr& dataset, const TransformPtr& views, const Device& device,
                   std::int64_t steps_done, BrokenImages& broken) {
  const std::int64_t steps_per_epoch = std::max<std::int64_t>(dataset->size() / settings.train.batch, 1);
  return Loader(dataset, views,
                {.batch = settings.train.batch,
                 .epochs = settings.train.epochs,
                 .shuffle = true,
                 .drop_last = true,
                 .seed = settings.train.seed,
                 .workers = static_cast<int>(settings.data.workers),
                 .first_epoch = steps_done / steps_per_epoch,
                 .first_batch = steps_done % steps_per_epoch,
                 .on_broken = settings.data.on_broken,
                 .broken_limit = settings.data.broken_limit,
                 .on_skipped = [&broken](const std::string& message) { broken.add(message); }},
                device);
}

void tell_start(const RunOptions& options, const std::filesystem::path& out, const PretrainSettings& settings,
                const Dataset& dataset, const TrainPlan& plan, const RunDirectory& directory, std::int64_t done) {
  const std::string name = printable(out.string());
  if (directory.begins_again()) {
    tell(options.log, concat("beginning again in ", name, ": the run there was stopped before its first checkpoint"));
  }
  if (done > 0) {
    tell(options.log, concat("resuming ", name, " at epoch ", done / plan.steps_per_epoch() + 1, ", after step ", done, " of ",
                             plan.steps()));
  }
  tell(options.log, start_text(settings, dataset, plan));
}

// Takes the state of the checkpoint, and frees its memory. Returns the settings that are others.
// ValueError where these leave nothing of the run's `steps` to train.
std::vector<SettingChange> take_state(Former& former, const RunIdentity& identity, Learner& learner, const Objective& objective,
                                      const RunOptions& options, const std::string& computed_on, const std::string& folder,
                                      std::int64_t steps) {
  const std::unique_ptr<Checkpoint> from = std::move(former.checkpoint);
  if (!from) return {};
  if (options.resume != Resume::other_settings) from->check_same(identity);
  from->restore(learner, objective);
  const std::string before = from->computed_on();
  if (!before.empty() && before != computed_on) {
    tell(options.note, concat(folder, " was trained on ", before, "; on ", computed_on, " it goes on with other bits"));
  }
  std::vector<SettingChange> changes = from->changes(identity);
  check<ValueError>(changes.empty() || from->step() < steps, folder, ": its checkpoint is of step ", from->step(),
                    ", but with these settings a run has ", steps,
                    " steps, so that nothing is left to train; choose more epochs, or another folder");
  return changes;
}

TrainOptions train_options(const RunOptions& options, std::int64_t steps_done, std::int64_t skipped) {
  return {.steps_done = steps_done,
          .stop_requested = options.stop_requested,
          .capture = options.capture,
          .note = options.note,
          .skipped = skipped};
}

// From the start, or from a checkpoint.
RunEnd run(const PretrainSettings& asked, const Device& device, const std::filesystem::path& out, const RunOptions& options,
           Former former) {
  const DatasetPtr dataset = open_data(asked.data, options.note);
  const TransformPtr views = make_augmentation(asked.augment, normalization_of(asked.data, dataset->info()));
  const PretrainSettings settings =
      options.within_minutes ? keep_within(asked, *options.within_minutes, *dataset, *views, device, options.log) : asked;
  const TrainSettings& train_settings = settings.train;
  const std::unique_ptr<Objective> objective = make_step_objective(settings, device);
  const std::int64_t done = former.step();
  BrokenImages broken(out / kBrokenFile, settings.data.broken_limit, options.note);
  Loader loader = make_loader(settings, dataset, views, device, done, broken);
  // Throws for wrong settings before anything is written.
  const TrainPlan plan(settings, loader.batches_per_epoch());
  Learner learner({.model = settings.model,
                   .train = train_settings,
                   .in_channels = dataset->info().channels,
                   .ema_teacher = objective->ema_teacher()},
                  device);
  const RunIdentity identity = identity_of(settings, plan.steps_per_epoch(), dataset->size());
  const std::string computed_on = options.computed_on.empty() ? device->name() : options.computed_on;
  const std::vector<SettingChange> changes =
      take_state(former, identity, learner, *objective, options, computed_on, printable(out.string()), plan.steps());
  if (done >= plan.steps()) return ended_already(options, out, done, train_settings.epochs);

  RunDirectory directory(out, settings, describe_encoder(learner.online.encoder, views, settings.data),
                         {.steps_done = done, .lock = std::move(former.lock), .changes = changes, .note = options.note});
  CheckpointWriter checkpoints(train_settings, identity, *objective,
                               {.folder = out,
                                .computed_on = computed_on,
                                .steps_done = changes.empty() ? done : 0,
                                .before = [&directory] { directory.sync_lines(); },
                                .note = options.note});
  if (!changes.empty()) {  // so that the run is resumed with these settings, whatever happens next
    checkpoints.on_state({.step = done, .last = true}, learner);
    checkpoints.finish();
  }
  tell_start(options, out, settings, *dataset, plan, directory, done);
  Health health(settings, options.note);
  // The directory goes first: a checkpoint relies on the lines of the steps before it.
  std::vector<Observer*> all{&directory, &checkpoints, &health};
  all.insert(all.end(), options.observers.begin(), options.observers.end());
  std::int64_t steps = 0;
  try {
    steps = train(learner, *objective, loader, settings, all, train_options(options, done, directory.skipped_in_a_row()));
  } catch (const BrokenImageError& error) {
    if (settings.data.on_broken == OnBroken::skip) throw;
    throw BrokenImageError(
        concat(error.what(), "; data.on_broken=skip trains without such images, and lists them in ", kBrokenFile));
  } catch (const NumericalError& error) {
    const std::int64_t good = checkpoints.newest();
    if (good == 0) throw;
    throw NumericalError(concat(error.what(), "; the last good state is in ", (out / checkpoint_name(good)).string()));
  }
  checkpoints.finish();
  broken.finish();
  if (options.stop_requested) options.stop_requested(TrainPhase::end);
  return {.steps = steps, .complete = steps >= plan.steps(), .resumable = steps > 0 && train_settings.makes_checkpoints()};
}

}  // namespace

RunEnd train_run(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out,
                 const RunOptions& options) {
  Former former;
  if (options.resume != Resume::never && std::filesystem::is_directory(out)) {
    former.lock = std::make_unique<FolderLock>(out);
    former.checkpoint = newest_checkpoint(out, options.note);
    if (is_complete(former, settings, options.resume)) {
      return ended_already(options, out, former.step(), settings.train.epochs);
    }
  }
  return run(settings, device, out, options, std::move(former));
}

RunEnd resume_run(const Device& device, const std::filesystem::path& folder, const RunOptions& options) {
  const bool goes_on = !checkpoints_in(folder).empty();
  const bool is_run = std::filesystem::exists(folder / kSettingsFile);
  std::optional<PretrainSettings> settings;
  if (goes_on || is_run) settings = read_run_settings(folder);
  check<IoError>(goes_on || (settings && settings->train.makes_checkpoints()), folder.string(),
                 ": nothing to resume, there is no checkpoint; mec pretrain writes them as train.checkpoint_epochs, "
                 "checkpoint_steps and checkpoint_minutes say");
  RunOptions resuming = options;
  resuming.resume = Resume::same_settings;
  return train_run(*settings, device, folder, resuming);
}

}  // namespace mec
