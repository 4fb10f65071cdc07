// The training loop: plans the schedules, feeds the step, and notifies observers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mec/data/loader/loader.h"
#include "mec/ssl/methods/objective.h"
#include "mec/ssl/settings.h"
#include "mec/ssl/training/step.h"

namespace mec {

// Schedules of a run, as pure functions of the step.
class TrainPlan {
 public:
  // ValueError for settings out of range: no epochs, a batch below 2, a learning rate that is not
  // finite, a warm-up longer than the run, …
  TrainPlan(const PretrainSettings& settings, std::int64_t steps_per_epoch);

  std::int64_t steps() const { return steps_; }
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::int64_t fewest_epochs() const;      // the fewest that are as long as every warm-up
  StepValues at(std::int64_t step) const;  // step in [0, steps())
  // Whether observers may measure the embeddings of this step (from 1): every train.health_steps.
  bool measures(std::int64_t step) const;

 private:
  PretrainSettings settings_;
  std::int64_t steps_per_epoch_;
  std::int64_t steps_ = 0;
};

// One finished step, as read back.
struct StepReport {
  std::int64_t step = 0;  // counted from 1
  std::int64_t steps = 0;
  std::int64_t epoch = 0;   // from 1
  std::int64_t images = 0;  // in the batch
  StepValues values;
  Metrics scheduled;     // by the objective, as MEC's lambda
  Metrics metrics;       // "loss" first, then the objective's others, then what observers measure
  bool skipped = false;  // loss or gradients are not finite, and the step changed nothing
  // Since the previous report, or since all was done that followed its epoch; of
  // TrainingLoop::step_now() since the step began. Measured, so never written to files that are
  // compared.
  double seconds = 0;
  double data_seconds = 0;  // of these, spent waiting for the loader
};

// Where training stands between two steps.
struct StepEnd {
  std::int64_t step = 0;  // steps done
  bool last = false;      // training ends here: the run is complete, or was asked to stop
};

// The encoders' scores after an epoch (run/evaluations.h).
struct Evaluation {
  std::int64_t epoch = 0;  // from 1
  std::int64_t step = 0;   // its last
  Metrics scores;          // accuracies in [0, 1]: "knn", "teacher_knn", …
  double seconds = 0;      // measured
};

// All observers are told of a step. At an epoch's end, and where the state is wanted, one after
// another is told of both, in their order.
class Observer {
 public:
  virtual ~Observer() = default;
  // Asked after a step that TrainPlan::measures(), which the device may still be running: what to
  // measure of it beside its metrics; empty: nothing. The function is called once the step is done,
  // and what it returns stands behind the report's metrics. projection: (m,d), the projector's
  // output for the first view, of all ranks, which the next step may write over.
  virtual std::function<Metrics()> measure(const Tensor& /*projection*/) { return {}; }
  virtual void on_step(const StepReport&) {}
  // Once after each step, which the device may still be running, at the same place on all ranks:
  // here they may tell each other something. When steps are reported depends on the rank.
  virtual void on_launch() {}
  // Where this epoch's encoders are scored: before, and after it.
  virtual void before_evaluation(std::int64_t /*epoch*/) {}
  virtual void on_evaluation(const Evaluation&) {}
  // After the last step of each epoch (from 1), all its steps known to be finite.
  virtual void on_epoch(std::int64_t /*epoch*/, Learner&) {}
  // Asked after every step, which the device may still be running: whether on_state() is wanted.
  virtual bool wants_state(const StepEnd&) { return false; }
  // All steps so far are known to be finite and were reported, an epoch that ends here too; the
  // learner is as they left it.
  virtual void on_state(const StepEnd&, Learner&) {}
};

// What comes next: a wait for the loader; a step, with what observers do after it; a batch of
// images to score encoders on; the end, where all is written and the loader's threads are waited
// for; or what has nothing to save.
enum class TrainPhase : std::uint8_t { loading, step, evaluation, end, nothing };

struct TrainOptions {
  // Above 0 in a resumed run; the learner, the objective and the loader are then at that step
  // (checkpoint.h).
  std::int64_t steps_done = 0;
  // Asked before the loader is waited for, and before each step; true ends training there. Whoever
  // writes the last files tells it of the end.
  std::function<bool(TrainPhase next)> stop_requested = {};
  // Where the device can, the step is recorded once and replayed (step_runner.h).
  bool capture = true;
  // Is told why a step cannot be recorded, and that steps are skipped.
  std::function<void(const std::string&)> note = {};
  // How many steps right before steps_done were skipped: they count towards
  // train.nonfinite_limit.
  std::int64_t skipped = 0;
};

// ValueError unless so many ranks have equal parts of settings.train.batch, and each of these has
// as many as train.accumulate says.
void check_ranks(const PretrainSettings& settings, std::int64_t ranks);

// Trains for settings.train.epochs, and returns the number of steps done: fewer than the run has
// where it was asked to stop. NumericalError stops the run at the first step whose loss or gradient
// is not finite (where these are skipped, once train.nonfinite_limit of them came in a row), or
// that breaks the objective's own rule, naming step, loss and learning rate.
//
// On several ranks (learner.ranks), each has a loader of its own part, and all end where one is
// asked to stop. Observers may differ from rank to rank.
std::int64_t train(Learner& learner, Objective& objective, Loader& loader, const PretrainSettings& settings,
                   const std::vector<Observer*>& observers, const TrainOptions& options = {});

}  // namespace mec
