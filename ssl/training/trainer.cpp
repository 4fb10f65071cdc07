#include "mec/ssl/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "mec/nn/optim/schedule.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/step_runner.h"
#include "mec/tensor/clock.h"

namespace mec {

namespace {

// Steps whose figures may still lie unread in the memory of a device that works behind the host:
// reading at once would make it wait for every step. Elsewhere a step is done when it returns, and
// is told at once, with the time that it took.
constexpr std::size_t kMetricDelay = 2;

std::int64_t steps_of(const WarmupLength& length, std::int64_t steps_per_epoch) {
  if (length.steps >= 0) return length.steps;
  return std::llround(length.epochs * static_cast<double>(steps_per_epoch));
}

// A value that f32 holds, and is not rounded to 0.
bool fits_f32(double value) {
  return value >= std::numeric_limits<float>::min() && value <= std::numeric_limits<float>::max();
}

// ValueError where the run ends before the warm-up does: `goal` would never be reached.
void check_warmup(const std::string& key, const WarmupLength& warmup, const char* goal,
                  const TrainSettings& train, std::int64_t steps) {
  check<ValueError>(warmup.steps >= 0 || warmup.epochs >= 0, key,
                    "_epochs is not negative, but is ", warmup.epochs);
  check<ValueError>(warmup.steps >= 0 || warmup.epochs <= static_cast<double>(train.epochs), key,
                    "_epochs is ", warmup.epochs,
                    ", longer than the run of train.epochs = ", train.epochs, ", so that ", goal,
                    " would never be reached; shorten it, or train for longer");
  check<ValueError>(warmup.steps <= steps, key, "_steps is ", warmup.steps,
                    ", longer than the run of ", steps, " steps (train.epochs = ", train.epochs,
                    "), so that ", goal,
                    " would never be reached; shorten it, or train for longer");
}

void check_distortion(const PretrainSettings& settings, std::int64_t steps) {
  const MecTrainSettings& mec = settings.mec;
  check<ValueError>(mec.lambda_warmup_factor >= 1,
                    "mec.lambda_warmup_factor is at least 1, but is ", mec.lambda_warmup_factor);
  check<ValueError>(mec.eps2 > 0, "mec.eps2 is positive, but is ", mec.eps2);
  const double lambda = coding_lambda(settings.train.batch, settings.model.dim, mec.eps2);
  check<ValueError>(fits_f32(lambda / mec.lambda_warmup_factor), "mec.lambda_warmup_factor is ",
                    mec.lambda_warmup_factor, ", so that lambda begins at ",
                    lambda / mec.lambda_warmup_factor, ", which f32 does not hold");
  if (mec.lambda_warmup_factor > 1) {
    check_warmup("mec.lambda_warmup", mec.lambda_warmup, "mec.eps2", settings.train, steps);
  }
}

void check_settings(const PretrainSettings& settings, std::int64_t steps_per_epoch) {
  const TrainSettings& train = settings.train;
  check<ValueError>(train.epochs >= 1, "train.epochs is at least 1, but is ", train.epochs);
  check<ValueError>(steps_per_epoch >= 1, "training: an epoch has at least one step, but has ",
                    steps_per_epoch);
  constexpr std::int64_t kMost = std::int64_t{1} << 53;  // as exact as a double is
  check<ValueError>(train.epochs <= kMost / steps_per_epoch, "train.epochs is ", train.epochs,
                    ", with ", steps_per_epoch, " steps in each; a run has at most ", kMost,
                    " steps");
  check<ValueError>(train.batch >= 2, "train.batch is at least 2, since batch norm needs two rows, but is ", train.batch);
  check<ValueError>(train.lr == 0 || fits_f32(train.lr),
                    "train.lr is a finite number from 0, as f32 holds it, but is ", train.lr);
  check<ValueError>(train.weight_decay == 0 || fits_f32(train.weight_decay),
                    "train.weight_decay is a finite number from 0, as f32 holds it, but is ",
                    train.weight_decay);
  check<ValueError>(train.ema >= 0 && train.ema <= 1, "train.ema lies in [0, 1], but is ", train.ema);
  check<ValueError>(train.ema_end >= 0 && train.ema_end <= 1, "train.ema_end lies in [0, 1], but is ", train.ema_end);
  const std::int64_t steps = train.epochs * steps_per_epoch;
  check_warmup("train.warmup", train.warmup, "train.lr", train, steps);
  if (has_distortion(settings)) check_distortion(settings, steps);
}

// A step that was launched and whose figures have not been read.
struct Pending {
  StepReport report;
  ReadFigures figures;
};

// Reads the figures back and checks them.
void finish(Pending& pending, const Objective& objective) {
  const StepFigures figures = pending.figures();
  StepReport& report = pending.report;
  report.metrics = objective.summarize(figures.records);
  const double loss = report.metrics.front().second;
  check<NumericalError>(std::isfinite(loss) && figures.finite, "training: step ", report.step, " of ", report.steps, " has ",
                        std::isfinite(loss) ? "a gradient that is not finite" : "a loss that is not finite", " (loss ", loss,
                        ", learning rate ", report.values.rate, "); lower train.lr or lengthen train.warmup_epochs");
  objective.check_step(report.metrics);
}

}  // namespace

TrainPlan::TrainPlan(const PretrainSettings& settings, std::int64_t steps_per_epoch)
    : settings_(settings), steps_per_epoch_(steps_per_epoch) {
  check_settings(settings, steps_per_epoch);
  steps_ = settings.train.epochs * steps_per_epoch;
}

std::int64_t TrainPlan::fewest_epochs() const {
  const auto epochs_of = [&](const WarmupLength& length) {
    if (length.steps >= 0) return (length.steps + steps_per_epoch_ - 1) / steps_per_epoch_;
    return static_cast<std::int64_t>(std::ceil(length.epochs));
  };
  const bool both = has_distortion(settings_) && settings_.mec.lambda_warmup_factor > 1;
  return std::max({std::int64_t{1}, epochs_of(settings_.train.warmup),
                   both ? epochs_of(settings_.mec.lambda_warmup) : 0});
}

StepValues TrainPlan::at(std::int64_t step) const {
  const TrainSettings& train = settings_.train;
  const MecTrainSettings& mec = settings_.mec;
  StepValues values{
      .rate = warmup_cosine(step, train.lr,
                            {.total = steps_, .warmup = steps_of(train.warmup, steps_per_epoch_)}),
      .ema = ema_coefficient(step, train.ema, steps_, train.ema_end)};
  if (has_distortion(settings_)) {
    values.lambda = coding_lambda(train.batch, settings_.model.dim, mec.eps2) /
                    inverse_lambda_factor(step, steps_of(mec.lambda_warmup, steps_per_epoch_),
                                          mec.lambda_warmup_factor);
  }
  return values;
}

void train(Learner& learner, Objective& objective, Loader& loader, const PretrainSettings& settings,
           const std::vector<Observer*>& observers, const TrainOptions& options) {
  const TrainPlan plan(settings, loader.batches_per_epoch());
  const StepScalars scalars(learner.parameters.values().dtype(), learner.parameters.values().device());
  StepRunner runner(learner, objective, scalars, {.capture = options.capture, .on_part = [](const char*) {}, .note = options.note});
  const std::size_t delay = runner.queues() ? kMetricDelay : 0;
  std::deque<Pending> pending;
  auto last = std::chrono::steady_clock::now();
  const auto report_until = [&](std::size_t left) {
    while (pending.size() > left) {
      finish(pending.front(), objective);
      pending.front().report.seconds = seconds_since(last);
      last = std::chrono::steady_clock::now();
      for (Observer* observer : observers) observer->on_step(pending.front().report);
      pending.pop_front();
    }
  };

  for (std::int64_t step = options.steps_done; step < plan.steps(); ++step) {
    const auto wait = std::chrono::steady_clock::now();
    const std::optional<Batch> batch = loader.next();
    check<ValueError>(batch.has_value(), "training: the loader ended after ", step, " of ", plan.steps(), " steps");
    const std::int64_t given = batch->epoch * plan.steps_per_epoch() + batch->index;
    check<ValueError>(given == step, "training: step ", step, " got the batch of step ", given,
                      " (from 0); begin the loader where the run goes on");
    StepReport report{.step = step + 1,
                      .steps = plan.steps(),
                      .epoch = step / plan.steps_per_epoch() + 1,
                      .images = batch->views.front().dim(0),
                      .values = plan.at(step),
                      .metrics = {},
                      .seconds = 0,
                      .data_seconds = seconds_since(wait)};
    scalars.set(report.values);
    objective.before_step(step, plan.steps_per_epoch());
    pending.push_back({report, runner.run(batch->views)});
    report_until(delay);
    if ((step + 1) % plan.steps_per_epoch() != 0) continue;
    report_until(0);
    for (Observer* observer : observers) observer->on_epoch(report.epoch, learner);
  }
}

}  // namespace mec
