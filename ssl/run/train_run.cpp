#include "mec/ssl/run/train_run.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/broken_images.h"
#include "mec/ssl/run/epoch_budget.h"
#include "mec/ssl/run/rank_log.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/run_keeper.h"
#include "mec/ssl/run/run_network.h"
#include "mec/ssl/run/run_ranks.h"
#include "mec/ssl/run/run_setup.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/training_images.h"
#include "mec/ssl/training/checkpoint.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "mec/ssl/training/checkpoint_writer.h"
#include "mec/ssl/training/memory_use.h"
#include "mec/ssl/training/random_step.h"
#include "mec/tensor/clock.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

void tell(const Teller& teller, const std::string& line) {
  if (teller) teller(line);
}

std::string start_text(const PretrainSettings& settings, const Dataset& dataset, const TrainPlan& plan) {
  return concat(learns_from_labels(settings) ? "training " : "pre-training ", settings.model.arch, " (width ",
                settings.model.width, ") on ", dataset.size(), " images of ", dataset.info().kind, ": ",
                counted(settings.train.epochs, "epoch"), " of ", counted(plan.steps_per_epoch(), "step"));
}

std::string minutes_text(double minutes) {
  return minutes < 1 ? "less than a minute" : concat("about ", std::lround(minutes), " min");
}

StepImages step_images(const Transform& views, const Dataset& dataset) {
  StepImages images{.views = {}, .channels = dataset.info().channels, .classes = dataset.info().classes()};
  for (int view = 0; view < views.views(); ++view) images.views.push_back(views.size(view));
  return images;
}

// Null where no epoch is scored.
std::unique_ptr<EncoderScorer> make_scorer(const PretrainSettings& settings, const TrainingImages& images,
                                           const Transform& views, const Device& device, const RunOptions& options,
                                           BrokenImages& broken) {
  if (settings.eval.every_epochs == 0) return nullptr;
  check<ValueError>(options.make_scorer != nullptr, "eval.every_epochs is ", settings.eval.every_epochs,
                    ", but this program gives training nothing to score encoders with (RunOptions::make_scorer)");
  check<ValueError>(settings.eval.knn || settings.eval.probe || learns_from_labels(settings), "eval.every_epochs is ",
                    settings.eval.every_epochs,
                    ", but there is nothing to score: set eval.knn or eval.probe, or eval.every_epochs=0");
  return options.make_scorer(
      settings, {.device = device,
                 .images = images,
                 .image_size = image_size_of(settings.data, views),
                 .normalization = views.normalization(),
                 .ranks = options.ranks,
                 .on_skipped = [&broken](const std::string& of, const BrokenImage& image) { broken.add(of, image); },
                 .before_waiting =
                     [&options] {
                       if (options.stop_requested) options.stop_requested(TrainPhase::step);
                     },
                 .note = options.note});
}

LearnerOptions learner_options(const PretrainSettings& settings, const DatasetInfo& images, bool ema_teacher,
                               const CommunicatorPtr& ranks = one_process()) {
  return {.model = settings.model,
          .train = settings.train,
          .in_channels = images.channels,
          .ema_teacher = ema_teacher,
          .classifier = classifier_of(settings, images.classes()),
          .ranks = ranks};
}

// Scores of an encoder that has seen nothing yet take as long as later ones.
double time_evaluation(const PretrainSettings& settings, const DatasetInfo& images, const Device& device,
                       const EncoderScorer& scorer) {
  Learner learner(learner_options(settings, images, false), device);
  const auto began = std::chrono::steady_clock::now();
  static_cast<void>(scorer.score(scored_network(learner), learner.activations, [] { return false; }));
  return seconds_since(began) * (has_averaged_teacher(settings) ? 2 : 1);
}

// The loader's work is left out: its threads prepare a batch while a step runs.
PretrainSettings keep_within(PretrainSettings settings, double minutes, const Dataset& dataset, const Transform& views,
                             const Device& device, const EncoderScorer* scorer, const Teller& log) {
  // Throws for settings out of range.
  const TrainPlan plan(settings, dataset.size() / settings.train.batch);
  RandomStep step(settings, step_images(views, dataset), device);
  time_rounds(2, [&] { step.run(); });
  const double step_seconds = median(time_rounds(5, [&] { step.run(); }));
  const std::int64_t asked = settings.train.epochs;
  double epoch_seconds = step_seconds * static_cast<double>(plan.steps_per_epoch());
  if (scorer) {
    epoch_seconds += time_evaluation(settings, dataset.info(), device, *scorer) /
                     static_cast<double>(std::min(settings.eval.every_epochs, asked));
  }
  const EpochBudget budget = fit_epochs(minutes, epoch_seconds, asked, plan.fewest_epochs());
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

// After a run that had too little memory. "" where the batch is not the reason, or not known to be.
std::string what_fits(const PretrainSettings& settings, const Device& device) {
  try {
    const DatasetPtr dataset = open_training_images(settings, {}).train;
    const TransformPtr views =
        make_augmentation(settings.augment, normalization_of(settings.data, dataset->info().normalization));
    const std::int64_t prepared = settings.data.workers > 0 ? LoaderOptions{}.prefetch : 1;
    const auto fits = largest_batch(settings, step_images(*views, *dataset), device, device->host_readable() ? prepared : 0);
    if (!fits) return "";
    return concat("; train.batch is ", settings.train.batch, ", and about ", fits->images,
                  " fit, estimated from steps of up to ", fits->measured, " images");
  } catch (const std::exception&) {  // as where the data set itself is too large: that was said
    return "";
  }
}

// Whether that run is complete, as far as can be said without its data: a run that has ended says
// so where they are gone. IoError where it is of other settings, and these are not wanted.
bool is_complete(const Former& former, const PretrainSettings& settings, Resume resume, const std::filesystem::path& out) {
  if (!former.checkpoint || resume == Resume::other_settings) return false;
  if (!settings.data.list.empty()) return false;  // whether it lists the same images, its data say
  const std::int64_t steps_per_epoch = former.checkpoint->steps_per_epoch();
  former.checkpoint->check_same(identity_of(settings, steps_per_epoch));
  return former.step() / steps_per_epoch >= settings.train.epochs &&
         has_its_scores(out, settings, former.step(), steps_per_epoch);
}

RunEnd ended_already(const RunOptions& options, const std::filesystem::path& out, std::int64_t steps,
                     const PretrainSettings& settings) {
  tell(options.log,
       concat(printable(out.string()), ": training has ended already, after ", counted(settings.train.epochs, "epoch")));
  if (options.ranks->rank() == 0) {
    const std::string doubt = missing_best(out, settings);
    if (!doubt.empty()) tell(options.note, doubt);
    try {
      if (settings.log.tensorboard) write_events_of(out, settings.train.batch);
    } catch (const IoError& error) {
      tell(options.note, concat(error.what(), "; there is no event file (log.tensorboard)"));
    }
  }
  return {.steps = steps, .trained = false, .complete = true, .goes_on_after = steps};
}

Loader make_loader(const PretrainSettings& settings, const DatasetPtr& dataset, const TransformPtr& views, const Device& device,
                   std::int64_t steps_done, BrokenImages& broken, const RunOptions& options) {
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
                 .rank = options.ranks->rank(),
                 .ranks = options.ranks->size(),
                 .on_broken = settings.data.on_broken,
                 .broken_limit = settings.data.broken_limit,
                 .on_skipped = [&broken](const BrokenImage& image) { broken.add(image); },
                 .give_up = [&options] { return options.stop_requested && options.stop_requested(TrainPhase::loading); }},
                device);
}

void tell_start(const RunOptions& options, const std::filesystem::path& out, const PretrainSettings& settings,
                const Dataset& dataset, const TrainPlan& plan, bool begins_again, std::int64_t done) {
  const std::string name = printable(out.string());
  if (begins_again) {
    tell(options.log, concat("beginning again in ", name, ": the run there was stopped before its first checkpoint"));
  }
  if (done > 0) {
    tell(options.log, concat("resuming ", name, " at epoch ", done / plan.steps_per_epoch() + 1, ", after step ", done, " of ",
                             plan.steps()));
  }
  tell(options.log, start_text(settings, dataset, plan));
}

// Calls train(), and adds to its errors what the user may do.
std::int64_t with_advice(const std::function<std::int64_t()>& train, const DataSettings& data, const std::filesystem::path& out,
                         RunKeeper* keeper) {
  try {
    return train();
  } catch (const BrokenImageError& error) {
    if (data.on_broken == OnBroken::skip) throw;
    throw BrokenImageError(
        concat(error.what(), "; data.on_broken=skip trains without such images, and lists them in ", kBrokenFile));
  } catch (const NumericalError& error) {
    const std::int64_t good = keeper ? keeper->newest_checkpoint() : 0;
    if (good == 0) throw;
    throw NumericalError(concat(error.what(), "; the last good state is in ", (out / checkpoint_name(good)).string()));
  }
}

// skipped: as rank 0 knows it from the run's lines.
TrainOptions train_options(const RunOptions& options, const Device& device, std::int64_t steps_done, std::int64_t skipped) {
  return {.steps_done = steps_done,
          .stop_requested = options.stop_requested,
          .capture = options.capture && options.ranks->capturable(device),
          .note = options.note,
          .skipped = options.ranks->broadcast(skipped)};
}

// Makes the run's folder, or goes on with it, and says what begins.
std::unique_ptr<RunKeeper> make_keeper(const PretrainSettings& settings, const Objective& objective, const RunOptions& options,
                                       RunKeeperOptions keeping, const Dataset& dataset, const TrainPlan& plan,
                                       BrokenImages& broken) {
  const std::filesystem::path out = keeping.folder;
  const std::int64_t done = keeping.steps_done;
  auto keeper = std::make_unique<RunKeeper>(settings, objective, options, std::move(keeping));
  broken.open();
  tell_start(options, out, settings, dataset, plan, keeper->begins_again(), done);
  return keeper;
}

RunEnd end_run(RunEnd end, RunKeeper* keeper, BrokenImages& broken, const RunOptions& options) {
  broken.share();
  if (keeper) end = keeper->finish(broken, end);
  tell_ranks(end, *options.ranks);
  if (options.stop_requested) options.stop_requested(TrainPhase::end);
  return end;
}

// From the start, or from a checkpoint.
RunEnd run(const PretrainSettings& asked, const Device& device, const std::filesystem::path& out, const RunOptions& options,
           Former former, RankLog* log) {
  const TrainingImages images = open_training_images(asked, options.note);
  const DatasetPtr& dataset = images.train;
  const TransformPtr views = make_augmentation(asked.augment, normalization_of(asked.data, dataset->info().normalization));
  BrokenImages broken(out / kBrokenFile, asked.data.broken_limit, options.note, options.ranks);
  std::unique_ptr<EncoderScorer> scorer = make_scorer(asked, images, *views, device, options, broken);
  const PretrainSettings settings =
      options.within_minutes ? keep_within(asked, *options.within_minutes, *dataset, *views, device, scorer.get(), options.log)
                             : asked;
  const std::unique_ptr<Objective> objective = make_step_objective(settings, device);
  const std::int64_t done = options.ranks->broadcast(former.step());
  Loader loader = make_loader(settings, dataset, views, device, done, broken, options);
  // Throws for wrong settings before anything is written.
  const TrainPlan plan(settings, loader.batches_per_epoch());
  const std::string computed_on = computed_by(options, device);
  check_same_run(settings, *dataset, computed_on, scorer ? scorer->text() : "", *options.ranks);
  Learner learner(learner_options(settings, dataset->info(), objective->ema_teacher(), options.ranks), device);
  RunIdentity identity = identity_of(settings, plan.steps_per_epoch(), dataset->size());
  if (!images.listed.empty()) identity.settings.emplace_back("digest of data.list's images", images.listed);
  const bool leads = options.ranks->rank() == 0;
  if (leads && done == 0) take_weights(settings, learner);  // the others have its state in a moment
  const std::vector<SettingChange> changes =
      take_state(former, identity, learner, *objective, options, computed_on, printable(out.string()), plan.steps());
  broadcast_state(learner, *objective);
  const bool scored =
      options.ranks->broadcast(leads && has_its_scores(out, settings, done, plan.steps_per_epoch()) ? 1 : 0) > 0;
  if (done >= plan.steps() && scored) return ended_already(options, out, done, settings);

  const WeightsInfo info = describe_network(learner, *views, settings.data, dataset->info().class_names);
  validate(info);  // before an epoch is trained
  std::unique_ptr<RunKeeper> keeper;
  std::unique_ptr<EvaluationPart> evaluations;  // of another rank
  if (leads) {
    keeper = make_keeper(settings, *objective, options,
                         {.folder = out,
                          .info = info,
                          .identity = identity,
                          .computed_on = computed_on,
                          .steps_done = done,
                          .lock = std::move(former.lock),
                          .changes = changes,
                          .scorer = std::move(scorer)},
                         *dataset, plan, broken);
  } else {
    evaluations = std::make_unique<EvaluationPart>(settings, std::move(scorer), options.stop_requested);
  }
  if (log) open_log(*log, out, options);
  const TrainOptions how = train_options(options, device, done, keeper ? keeper->skipped_in_a_row() : 0);
  auto observers = keeper ? keeper->observers() : std::vector<Observer*>{evaluations.get()};
  if (log) observers.push_back(log);
  if (settings.data.on_broken == OnBroken::skip) observers.push_back(&broken);
  const auto go_on = [&] {
    if (keeper) keeper->prepare(learner);
    if (evaluations && !scored) evaluations->on_epoch(done / plan.steps_per_epoch(), learner);
    return train(learner, *objective, loader, settings, observers, how);
  };
  const std::int64_t steps = with_advice(go_on, settings.data, out, keeper.get());
  return end_run({.steps = steps, .complete = steps >= plan.steps()}, keeper.get(), broken, options);
}

}  // namespace

RunEnd train_run(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out,
                 const RunOptions& asked) {
  RunOptions options = asked;
  check_several(settings, options);
  const bool leads = options.ranks->rank() == 0;
  RankLog log(options.ranks);
  const bool logs = options.ranks->size() > 1;
  if (logs) options.note = log_notes(log, options);
  if (!leads) options.log = {};
  Former former;
  if (leads) former = find_former(out, options);
  const bool complete = is_complete(former, settings, options.resume, out);
  if (options.ranks->broadcast(complete ? 1 : 0) > 0) {
    return ended_already(options, out, former.step(), settings);
  }
  try {
    const RunEnd end = run(settings, device, out, options, std::move(former), logs ? &log : nullptr);
    log.add(concat(end.complete ? "ended" : "stopped", " after step ", end.steps));
    return end;
  } catch (const MemoryError& error) {
    log.add(concat("error: ", error.what()));
    const bool stops = options.stop_requested && options.stop_requested(TrainPhase::nothing);
    if (stops || options.ranks->size() > 1) throw;
    tell(options.log, "there is too little memory; some steps of few images say which batch has room");
    throw MemoryError(concat(error.what(), what_fits(settings, device)));
  } catch (const std::exception& error) {
    log.add(concat("error: ", error.what()));
    throw;
  }
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
