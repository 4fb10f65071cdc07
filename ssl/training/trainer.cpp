#include "mec/ssl/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "mec/nn/optim/schedule.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/nonfinite_steps.h"
#include "mec/ssl/training/step_runner.h"
#include "mec/tensor/clock.h"

namespace mec {

namespace {

// How many steps' metrics may lie unread in the memory of a device that runs asynchronously:
// reading them at once would make the host wait for every step. On other devices a step is done
// when it returns, and is reported at once, with the time that it took.
constexpr std::size_t kMetricDelay = 2;

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
  check<ValueError>(train.ema >= 0 && train.ema <= 1, "train.ema lies in [0, 1], but is ", train.ema);
  check<ValueError>(train.ema_end >= 0 && train.ema_end <= 1, "train.ema_end lies in [0, 1], but is ", train.ema_end);
  const std::int64_t steps = train.epochs * steps_per_epoch;
  for (const Warmup& warmup : warmups_of(settings)) check_warmup(warmup, train, steps);
}

// A step that was launched and whose metrics have not been read.
struct Pending {
  StepReport report;
  ReadMetrics metrics;
  std::vector<std::function<Metrics()>> measurements;  // of observers
};

// Tells observers of steps, a few steps late on a device that runs asynchronously.
class Reports {
 public:
  Reports(const Objective& objective, const std::vector<Observer*>& observers, Learner& learner, NonfiniteSteps nonfinite)
      : objective_(objective), observers_(observers), learner_(learner), nonfinite_(std::move(nonfinite)) {}

  // Reads all but `left` of the steps back and checks them.
  void read_until(std::size_t left) {
    for (; pending_.size() > left; pending_.pop_front()) {
      check_finished(pending_.front());
      StepReport& report = pending_.front().report;
      report.seconds = seconds_since(last_);
      last_ = std::chrono::steady_clock::now();
      for (Observer* observer : observers_) observer->on_step(report);
    }
  }
  void finish() {
    read_until(0);
    nonfinite_.finish();
  }
  // projection: undefined where the step's embeddings are not measured.
  void add(StepReport report, ReadMetrics metrics, const Tensor& projection) {
    std::vector<std::function<Metrics()>> measurements;
    for (Observer* observer : observers_) {
      if (!projection) break;
      if (auto measurement = observer->measure(report.step, projection)) measurements.push_back(std::move(measurement));
    }
    pending_.push_back({std::move(report), std::move(metrics), std::move(measurements)});
  }

  // `epoch`: the one that ends here, or 0.
  void end_step(const StepEnd& end, std::int64_t epoch) {
    std::vector<Observer*> waiting;
    std::ranges::copy_if(observers_, std::back_inserter(waiting), [&](Observer* o) { return o->wants_state(end); });
    if (epoch == 0 && waiting.empty()) return;
    read_until(0);
    for (Observer* observer : observers_) {
      if (epoch > 0) observer->on_epoch(epoch, learner_);
      if (std::ranges::count(waiting, observer) > 0) observer->on_state(end, learner_);
    }
    if (epoch > 0) last_ = std::chrono::steady_clock::now();  // scores are no part of a step's time
  }

 private:
  void check_finished(Pending& pending) {
    const StepMetrics metrics = pending.metrics();
    StepReport& report = pending.report;
    report.metrics = objective_.summarize(metrics.parts);
    report.skipped = nonfinite_.skips(report, metrics);
    if (!report.skipped) objective_.check_step(report.metrics);
    for (const auto& measurement : pending.measurements) {
      const Metrics more = measurement();
      report.metrics.insert(report.metrics.end(), more.begin(), more.end());
    }
  }

  const Objective& objective_;
  const std::vector<Observer*>& observers_;
  Learner& learner_;
  NonfiniteSteps nonfinite_;
  std::deque<Pending> pending_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

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
  return {.lr = warmup_cosine(step, train.lr, {.total = steps_, .warmup = train.warmup.in_steps(steps_per_epoch_)}),
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
  const StepScalars scalars(learner.parameters.values().dtype(), learner.parameters.values().device());
  StepRunner runner(learner, objective, scalars,
                    {.capture = options.capture, .on_part = [](const char*) {}, .note = options.note});
  const std::size_t delay = runner.queues() ? kMetricDelay : 0;
  Reports reports(objective, observers, learner, NonfiniteSteps(settings.train, options.skipped, options.note));
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

  std::int64_t step = options.steps_done;
  while (step < plan.steps() && !stops(TrainPhase::loading)) {
    const auto wait = std::chrono::steady_clock::now();
    const std::optional<Batch> batch = loader.next();
    if (stops(TrainPhase::step)) break;
    check<ValueError>(batch.has_value(), "training: the loader ended after ", step, " of ", plan.steps(), " steps");
    const std::int64_t given = batch->epoch * plan.steps_per_epoch() + batch->index;
    check<ValueError>(given == step, "training: step ", step, " got the batch of step ", given,
                      " (from 0); begin the loader where the run goes on");
    StepReport report{.step = step + 1,
                      .steps = plan.steps(),
                      .epoch = step / plan.steps_per_epoch() + 1,
                      .images = batch->views.front().dim(0) * learner.ranks->size(),
                      .values = plan.at(step),
                      .scheduled = {},
                      .metrics = {},
                      .seconds = 0,
                      .data_seconds = seconds_since(wait)};
    scalars.set(report.values);
    objective.before_step(step, plan.steps_per_epoch());
    report.scheduled = objective.scheduled();
    ReadMetrics metrics = runner.run(batch->views);
    const Tensor projection = plan.measures(step + 1) ? learner.ranks->all_gather(runner.projection()) : Tensor();
    reports.add(report, std::move(metrics), projection);
    reports.read_until(delay);
    ++step;
    reports.end_step({.step = step, .last = step == plan.steps()}, step % plan.steps_per_epoch() == 0 ? report.epoch : 0);
  }
  if (step < plan.steps()) reports.end_step({.step = step, .last = true}, 0);
  reports.finish();
  return step;
}

}  // namespace mec
