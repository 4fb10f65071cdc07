#include "mec/ssl/training/trainer.h"

#include <algorithm>
#include <cmath>

#include "mec/nn/optim/schedule.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/training_loop.h"
#include "mec/tensor/clock.h"

namespace mec {

namespace {

// ValueError where the run ends before the warm-up does.
void check_warmup(const Warmup& warmup, const TrainSettings& train, std::int64_t steps) {
  const auto& [key, length, goal] = warmup;
  check<ValueError>(length.steps >= 0 || length.epochs >= 0, key, "_epochs is not negative, but is ", length.epochs);
  check<ValueError>(length.steps >= 0 || length.epochs <= static_cast<double>(train.epochs), key, "_epochs is ", length.epochs,
                    ", longer than the run of train.epochs = ", train.epochs, ", so that ", goal,
                    " would never be reached; shorten it, or train for longer");
  check<ValueError>(length.steps <= steps, key, "_steps is ", length.steps, ", longer than the run of ", steps,
                    " steps (train.epochs = ", train.epochs, "), so that ", goal,
                    " would never be reached; shorten it, or train for longer");
}

// ValueError unless the batch has equal parts, of two images at least.
void check_parts(const TrainSettings& train) {
  const auto divides = [&](std::int64_t parts) { return train.batch % parts == 0 && train.batch / parts >= 2; };
  if (divides(train.accumulate)) return;
  std::int64_t fewer = std::min(train.accumulate, train.batch / 2);
  while (!divides(fewer)) --fewer;
  throw ValueError(concat("train.accumulate is ", train.accumulate, ", but train.batch = ", train.batch, " has no ",
                          train.accumulate, " equal parts of two images or more; ", fewer, " would do"));
}

std::vector<Warmup> warmups_of(const PretrainSettings& settings) {
  std::vector<Warmup> all = find_method(settings.method).warmups(settings);
  all.insert(all.begin(), {.key = "train.warmup", .length = settings.train.warmup, .goal = "train.lr"});
  return all;
}

void check_settings(const PretrainSettings& settings, std::int64_t steps_per_epoch) {
  const TrainSettings& train = settings.train;
  check<ValueError>(train.epochs >= 1, "train.epochs is at least 1, but is ", train.epochs);
  check<ValueError>(steps_per_epoch >= 1, "training: an epoch has at least one step, but has ", steps_per_epoch);
  constexpr std::int64_t kMost = std::int64_t{1} << 53;  // a double counts exactly up to here
  check<ValueError>(train.epochs <= kMost / steps_per_epoch, "train.epochs is ", train.epochs, ", with ", steps_per_epoch,
                    " steps in each; a run has at most ", kMost, " steps");
  check<ValueError>(train.batch >= 2, "train.batch is at least 2, since batch norm needs two rows, but is ", train.batch);
  check_parts(train);
  check<ValueError>(train.lr == 0 || fits_f32(train.lr), "train.lr is a finite number from 0, as f32 holds it, but is ",
                    train.lr);
  check<ValueError>(train.weight_decay == 0 || fits_f32(train.weight_decay),
                    "train.weight_decay is a finite number from 0, as f32 holds it, but is ", train.weight_decay);
  check<ValueError>(train.encoder_lr_factor == 0 || fits_f32(train.encoder_lr_factor),
                    "train.encoder_lr_factor is a finite number from 0, as f32 holds it, but is ", train.encoder_lr_factor);
  check<ValueError>(train.ema >= 0 && train.ema <= 1, "train.ema lies in [0, 1], but is ", train.ema);
  check<ValueError>(train.ema_end >= 0 && train.ema_end <= 1, "train.ema_end lies in [0, 1], but is ", train.ema_end);
  const std::int64_t steps = train.epochs * steps_per_epoch;
  for (const Warmup& warmup : warmups_of(settings)) check_warmup(warmup, train, steps);
}

// On the learner's device, where the objective learns from them.
Tensor labels_of(const Batch& batch, const Learner& learner, const Objective& objective) {
  if (!objective.learns_from_labels()) return {};
  check<ValueError>(!batch.labels.empty(), "training: method ", objective.name(),
                    " learns from labels, but the images have none");
  return Tensor::from(batch.labels, {static_cast<std::int64_t>(batch.labels.size())}, learner.parameters.values().device());
}

}  // namespace

TrainPlan::TrainPlan(const PretrainSettings& settings, std::int64_t steps_per_epoch)
    : settings_(settings), steps_per_epoch_(steps_per_epoch) {
  check_settings(settings, steps_per_epoch);
  steps_ = settings.train.epochs * steps_per_epoch;
}

std::int64_t TrainPlan::fewest_epochs() const {
  std::int64_t epochs = 1;
  for (const Warmup& warmup : warmups_of(settings_)) epochs = std::max(epochs, warmup.length.in_epochs(steps_per_epoch_));
  return epochs;
}

StepValues TrainPlan::at(std::int64_t step) const {
  const TrainSettings& train = settings_.train;
  const std::int64_t warmup = train.warmup.in_steps(steps_per_epoch_), epoch_began = step - step % steps_per_epoch_;
  const bool waits = train.lr_by_epoch && step >= warmup;
  return {.lr = warmup_cosine(waits ? std::max(epoch_began, warmup) : step, train.lr, {.total = steps_, .warmup = warmup}),
          .ema = ema_coefficient(step, train.ema, steps_, train.ema_end)};
}

bool TrainPlan::measures(std::int64_t step) const {
  const std::int64_t every = settings_.train.health_steps;
  return every > 0 && step % every == 0;
}

void check_ranks(const PretrainSettings& settings, std::int64_t ranks) {
  const TrainSettings& train = settings.train;
  check_parts(train);
  const std::int64_t batch = train.batch, parts = ranks * train.accumulate;
  // Batch norm over all ranks needs no second row of each.
  const std::int64_t least = ranks > 1 && train.sync_batch_norm ? parts : 2 * parts;
  if (batch % parts == 0 && batch >= least) return;
  const std::string in_parts = train.accumulate > 1 ? concat(" with train.accumulate = ", train.accumulate) : "";
  const std::int64_t fewer = batch / parts * parts;
  throw ValueError(concat("train.batch is ", batch, ", which ", ranks, " processes", in_parts, " do not divide into parts of ",
                          least / parts, " or more; ", fewer >= least ? concat(fewer, " or ") : "",
                          std::max(fewer + parts, least), " would do"));
}

std::int64_t train(Learner& learner, Objective& objective, Loader& loader, const PretrainSettings& settings,
                   const std::vector<Observer*>& observers, const TrainOptions& options) {
  const TrainPlan plan(settings, loader.batches_per_epoch());
  TrainingLoop loop(learner, objective, settings, plan, observers, options);
  const auto here = [&](TrainPhase next) { return options.stop_requested && options.stop_requested(next); };
  const auto stops = [&](TrainPhase next) {
    const bool stop = here(next);
    if (learner.ranks->size() == 1) return stop;
    // What comes next is a wait for other ranks, as long as the first one's checkpoint may take.
    static_cast<void>(here(TrainPhase::step));
    if (learner.ranks->maximum(stop ? 1 : 0) > 0) return true;
    if (next == TrainPhase::loading) static_cast<void>(here(next));
    return false;
  };

  while (loop.steps_done() < plan.steps() && !stops(TrainPhase::loading)) {
    const std::int64_t step = loop.steps_done();
    const auto wait = std::chrono::steady_clock::now();
    const std::optional<Batch> batch = loader.next();
    if (stops(TrainPhase::step)) break;
    check<ValueError>(batch.has_value(), "training: the loader ended after ", step, " of ", plan.steps(), " steps");
    const std::int64_t given = batch->epoch * plan.steps_per_epoch() + batch->index;
    check<ValueError>(given == step, "training: step ", step, " got the batch of step ", given,
                      " (from 0); begin the loader where the run goes on");
    loop.step({batch->views, labels_of(*batch, learner, objective)}, seconds_since(wait));
  }
  loop.finish();
  return loop.steps_done();
}

}  // namespace mec
