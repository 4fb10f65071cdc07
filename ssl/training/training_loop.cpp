#include "mec/ssl/training/training_loop.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mec/ssl/training/nonfinite_steps.h"
#include "mec/ssl/training/step_runner.h"
#include "mec/tensor/clock.h"

namespace mec {

struct TrainingLoop::Impl {
  Impl(Learner& learner_in, Objective& objective_in, const PretrainSettings& settings, const TrainPlan& plan_in,
       std::vector<Observer*> observers_in, const TrainOptions& options)
      : learner(learner_in),
        objective(objective_in),
        plan(plan_in),
        observers(std::move(observers_in)),
        scalars(learner.parameters.values().dtype(), learner.parameters.values().device()),
        runner(learner, objective, scalars, {.capture = options.capture, .on_part = [](const char*) {}, .note = options.note}),
        nonfinite(settings.train, options.skipped, options.note),
        done(options.steps_done) {}

  // Reads the step back and checks it.
  void read(StepReport& report, const ReadMetrics& metrics) {
    std::vector<std::function<Metrics()>> measurements;
    for (Observer* observer : observers) {
      if (auto measurement = observer->measure(report.step, runner.projection()))
        measurements.push_back(std::move(measurement));
    }
    const StepMetrics values = metrics();
    report.metrics = objective.summarize(values.parts);
    report.skipped = nonfinite.skips(report, values);
    if (!report.skipped) objective.check_step(report.metrics);
    for (const auto& measurement : measurements) std::ranges::copy(measurement(), std::back_inserter(report.metrics));
  }

  // `epoch`: the one that ends here, or 0.
  void end_step(const StepEnd& end, std::int64_t epoch) {
    std::vector<Observer*> waiting;
    std::ranges::copy_if(observers, std::back_inserter(waiting), [&](Observer* o) { return o->wants_state(end); });
    for (Observer* observer : observers) {
      if (epoch > 0) observer->on_epoch(epoch, learner);
      if (std::ranges::count(waiting, observer) > 0) observer->on_state(end, learner);
    }
  }

  Learner& learner;
  Objective& objective;
  TrainPlan plan;
  std::vector<Observer*> observers;
  StepScalars scalars;
  StepRunner runner;
  NonfiniteSteps nonfinite;
  std::int64_t done;
};

TrainingLoop::TrainingLoop(Learner& learner, Objective& objective, const PretrainSettings& settings, const TrainPlan& plan,
                           std::vector<Observer*> observers, const TrainOptions& options)
    : impl_(std::make_unique<Impl>(learner, objective, settings, plan, std::move(observers), options)) {}

TrainingLoop::~TrainingLoop() = default;

std::int64_t TrainingLoop::steps_done() const { return impl_->done; }

StepReport TrainingLoop::step(const std::vector<Tensor>& views, double seconds_of_views) {
  Impl& loop = *impl_;
  const TrainPlan& plan = loop.plan;
  check<ValueError>(loop.done < plan.steps(), "training: all ", plan.steps(), " steps of the run are done");
  const auto began = std::chrono::steady_clock::now();
  StepReport report{.step = loop.done + 1,
                    .steps = plan.steps(),
                    .epoch = loop.done / plan.steps_per_epoch() + 1,
                    .images = views.front().dim(0),
                    .values = plan.at(loop.done),
                    .scheduled = {},
                    .metrics = {},
                    .seconds = 0,
                    .data_seconds = 0};  // nothing was waited for
  loop.scalars.set(report.values);
  loop.objective.before_step(loop.done, plan.steps_per_epoch());
  report.scheduled = loop.objective.scheduled();
  loop.read(report, loop.runner.run(views));
  report.seconds = seconds_of_views + seconds_since(began);
  for (Observer* observer : loop.observers) observer->on_step(report);
  ++loop.done;
  loop.end_step({.step = loop.done, .last = loop.done == plan.steps()},
                loop.done % plan.steps_per_epoch() == 0 ? report.epoch : 0);
  return report;
}

void TrainingLoop::finish() {
  if (impl_->done < impl_->plan.steps()) impl_->end_step({.step = impl_->done, .last = true}, 0);
  impl_->nonfinite.finish();
}

}  // namespace mec
