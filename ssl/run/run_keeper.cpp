#include "mec/ssl/run/run_keeper.h"

#include <utility>

namespace mec {

namespace {

// What scores encoders after epochs; null where nothing does.
std::unique_ptr<Evaluations> make_evaluations(const PretrainSettings& settings, RunKeeperOptions& keeper, Observer& directory,
                                              const RunOptions& run) {
  if (!keeper.scorer) return nullptr;
  std::vector<Observer*> observers{&directory};
  observers.insert(observers.end(), run.observers.begin(), run.observers.end());
  return std::make_unique<Evaluations>(
      settings, keeper.identity.steps_per_epoch, std::move(keeper.scorer), keeper.info,
      EvaluationOptions{
          .folder = keeper.folder, .observers = observers, .stop_requested = run.stop_requested, .note = run.note});
}

}  // namespace

bool has_its_scores(const std::filesystem::path& folder, const PretrainSettings& settings, std::int64_t step,
                    std::int64_t steps_per_epoch) {
  const bool is_due =
      step > 0 && step % steps_per_epoch == 0 && is_scored(settings.eval, step / steps_per_epoch, settings.train.epochs);
  return !is_due || has_scores_of(folder, step);
}

RunKeeper::RunKeeper(const PretrainSettings& settings, const Objective& objective, const RunOptions& run,
                     RunKeeperOptions options)
    : run_(run),
      settings_(settings),
      folder_(options.folder),
      steps_done_(options.steps_done),
      steps_per_epoch_(options.identity.steps_per_epoch),
      changed_(!options.changes.empty()),
      directory_(folder_, settings, options.info,
                 {.steps_done = steps_done_,
                  .lock = std::move(options.lock),
                  .changes = std::move(options.changes),
                  .note = run.note}),
      checkpoints_(settings.train, options.identity, objective,
                   {.folder = folder_,
                    .computed_on = options.computed_on,
                    .steps_done = changed_ ? 0 : steps_done_,
                    .before = [this] { directory_.sync_lines(); },
                    .note = run.note}),
      health_(settings, run.note),
      evaluations_(make_evaluations(settings, options, directory_, run)) {}

void RunKeeper::prepare(Learner& learner) {
  const std::int64_t every = settings_.eval.every_epochs;
  if (evaluations_ && run_.log) {
    run_.log(concat("scored after every ", every == 1 ? "epoch" : concat(every, " epochs and the last"), ": ",
                    evaluations_->text()));
  }
  if (changed_) {  // so that the run is resumed with these settings, whatever happens next
    checkpoints_.on_state({.step = steps_done_, .last = true}, learner);
    checkpoints_.finish();
  }
  if (evaluations_ && !has_its_scores(folder_, settings_, steps_done_, steps_per_epoch_))
    evaluations_->on_epoch(steps_done_ / steps_per_epoch_, learner);
}

// The directory goes first: a checkpoint relies on the lines of the steps before it. Scores come
// after the checkpoint: where they are given up, nothing of training is lost.
std::vector<Observer*> RunKeeper::observers() {
  std::vector<Observer*> all{&directory_, &checkpoints_, &health_};
  if (evaluations_) all.push_back(evaluations_.get());
  all.insert(all.end(), run_.observers.begin(), run_.observers.end());
  return all;
}

std::int64_t RunKeeper::newest_checkpoint() { return checkpoints_.newest(); }

void RunKeeper::write_end(std::int64_t step, Learner& learner) {
  const StepEnd end{.step = step, .last = true};
  if (step > 0 && step % steps_per_epoch_ == 0) directory_.on_epoch(step / steps_per_epoch_, learner);
  if (checkpoints_.wants_state(end)) checkpoints_.on_state(end, learner);
}

RunEnd RunKeeper::finish(BrokenImages& broken, RunEnd end) {
  end.complete = end.complete && !(evaluations_ && evaluations_->gave_up());
  try {
    checkpoints_.finish();
    broken.finish();
    directory_.sync_lines();
    const std::string best = evaluations_ ? evaluations_->finish() : "";
    if (!best.empty() && run_.log) run_.log(best);
  } catch (const IoError& error) {
    if (end.complete || checkpoints_.newest() == 0) throw;
    end.failure = error.what();
  }
  end.goes_on_after = checkpoints_.newest();
  return end;
}

}  // namespace mec
