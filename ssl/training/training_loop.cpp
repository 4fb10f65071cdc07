#include "mec/ssl/training/training_loop.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "mec/ssl/training/nonfinite_steps.h"
#include "mec/ssl/training/step_runner.h"
#include "mec/tensor/clock.h"

namespace mec {

namespace {

// How many steps' metrics may lie unread in the memory of a device that runs asynchronously:
// reading them at once would make the host wait for every step. On other devices a step is done
// when it returns, and is reported at once, with the time that it took.
constexpr std::size_t kMetricDelay = 2;

// A step that was launched and whose metrics have not been read.
struct Pending {
  StepReport report;
  ReadMetrics metrics;
  std::vector<std::function<Metrics()>> measurements;  // of observers
};

}  // namespace

// Tells observers of steps.
class TrainingLoop::Reports {
 public:
  Reports(const Objective& objective, std::vector<Observer*> observers, Learner& learner, NonfiniteSteps nonfinite)
      : objective_(objective), observers_(std::move(observers)), learner_(learner), nonfinite_(std::move(nonfinite)) {}

  // Reads all but `left` of the steps back and checks them.
  void read_until(std::size_t left) {
    for (; pending_.size() > left; pending_.pop_front()) {
      check_finished(pending_.front());
      last_ = std::move(pending_.front().report);
      last_.seconds = seconds_since(clock_);
      clock_ = std::chrono::steady_clock::now();
      for (Observer* observer : observers_) observer->on_step(last_);
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
      if (auto measurement = observer->measure(projection)) measurements.push_back(std::move(measurement));
    }
    pending_.push_back({std::move(report), std::move(metrics), std::move(measurements)});
  }

  void after_launch() {
    for (Observer* observer : observers_) observer->on_launch();
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
    if (epoch > 0) clock_ = std::chrono::steady_clock::now();  // scores are no part of a step's time
  }

  // The next step's time counts from here.
  void count_from(std::chrono::steady_clock::time_point began) { clock_ = began; }
  const StepReport& last() const { return last_; }  // that was read

 private:
  void check_finished(Pending& pending) {
    const StepMetrics metrics = pending.metrics();
    StepReport& report = pending.report;
    report.metrics = objective_.summarize(metrics.parts);
    report.skipped = nonfinite_.skips(report, metrics);
    if (!report.skipped) objective_.check_step(report.metrics);
    for (const auto& measurement : pending.measurements) std::ranges::copy(measurement(), std::back_inserter(report.metrics));
  }

  const Objective& objective_;
  const std::vector<Observer*> observers_;
  Learner& learner_;
  NonfiniteSteps nonfinite_;
  std::deque<Pending> pending_;
  StepReport last_;
  std::chrono::steady_clock::time_point clock_ = std::chrono::steady_clock::now();
};

struct TrainingLoop::Impl {
  Impl(Learner& learner_in, Objective& objective_in, const PretrainSettings& settings, const TrainPlan& plan_in,
       std::vector<Observer*> observers, const TrainOptions& options)
      : learner(learner_in),
        objective(objective_in),
        plan(plan_in),
        scalars(learner.parameters.values().dtype(), learner.parameters.values().device()),
        runner(learner, objective, scalars, {.capture = options.capture, .on_part = [](const char*) {}, .note = options.note}),
        reports(objective, std::move(observers), learner, NonfiniteSteps(settings.train, options.skipped, options.note)),
        done(options.steps_done) {}

  void step(const StepInput& batch, double data_seconds, std::size_t unread) {
    check<ValueError>(done < plan.steps(), "training: all ", plan.steps(), " steps of the run are done");
    StepReport report{.step = done + 1,
                      .steps = plan.steps(),
                      .epoch = done / plan.steps_per_epoch() + 1,
                      .images = batch.views.front().dim(0) * learner.ranks->size(),
                      .values = plan.at(done),
                      .scheduled = {},
                      .metrics = {},
                      .seconds = 0,
                      .data_seconds = data_seconds};
    scalars.set(report.values);
    objective.before_step(done, plan.steps_per_epoch());
    report.scheduled = objective.scheduled();
    ReadMetrics metrics = runner.run(batch);
    const Tensor projection = plan.measures(report.step) ? learner.ranks->all_gather(runner.projection()) : Tensor();
    const std::int64_t epoch = report.step % plan.steps_per_epoch() == 0 ? report.epoch : 0;
    reports.add(std::move(report), std::move(metrics), projection);
    reports.read_until(unread);
    ++done;
    reports.after_launch();
    reports.end_step({.step = done, .last = done == plan.steps()}, epoch);
  }

  Learner& learner;
  Objective& objective;
  TrainPlan plan;
  StepScalars scalars;
  StepRunner runner;
  Reports reports;
  std::int64_t done;
};

TrainingLoop::TrainingLoop(Learner& learner, Objective& objective, const PretrainSettings& settings, const TrainPlan& plan,
                           std::vector<Observer*> observers, const TrainOptions& options)
    : impl_(std::make_unique<Impl>(learner, objective, settings, plan, std::move(observers), options)) {}

TrainingLoop::~TrainingLoop() = default;

std::int64_t TrainingLoop::steps_done() const { return impl_->done; }

void TrainingLoop::step(const StepInput& batch, double data_seconds) {
  impl_->step(batch, data_seconds, impl_->runner.queues() ? kMetricDelay : 0);
}

StepReport TrainingLoop::step_now(const StepInput& batch, std::chrono::steady_clock::time_point began) {
  impl_->reports.count_from(began);
  impl_->step(batch, 0, 0);
  return impl_->reports.last();
}

void TrainingLoop::finish() {
  if (impl_->done < impl_->plan.steps()) impl_->reports.end_step({.step = impl_->done, .last = true}, 0);
  impl_->reports.finish();
}

}  // namespace mec
