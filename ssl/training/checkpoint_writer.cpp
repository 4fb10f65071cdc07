#include "mec/ssl/training/checkpoint_writer.h"

#include <memory>
#include <system_error>
#include <utility>

#include "mec/ssl/training/checkpoint_files.h"
#include "mec/tensor/clock.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

void check_buffers(Module& network, const std::string& prefix, std::int64_t step) {
  for (const auto& [name, tensor] : buffers_of(network, prefix)) {
    check<NumericalError>(all_finite(tensor).item() == 1.0, "training: after step ", step, " ", name,
                          " is not finite, which no checkpoint may hold; lower train.lr, or see whether data.std is too small; "
                          "train.on_nonfinite=skip goes on without such steps");
  }
}

}  // namespace

void check_statistics(Learner& learner, std::int64_t step) {
  check_buffers(learner.online, "online.", step);
  if (learner.teacher) check_buffers(learner.teacher->network, "teacher.", step);
}

CheckpointWriter::CheckpointWriter(const TrainSettings& train, RunIdentity identity, const Objective& objective,
                                   CheckpointWriterOptions options)
    : train_(train),
      identity_(std::move(identity)),
      objective_(objective),
      options_(std::move(options)),
      host_(make_reference_device()),
      begun_at_(std::chrono::steady_clock::now()),
      begun_(options_.steps_done),
      written_(options_.steps_done) {
  check<ValueError>(train.checkpoint_epochs >= 0 && train.checkpoint_steps >= 0 && train.checkpoint_minutes >= 0,
                    "train.checkpoint_epochs, checkpoint_steps and checkpoint_minutes are not negative, but are ",
                    train.checkpoint_epochs, ", ", train.checkpoint_steps, " and ", train.checkpoint_minutes);
  check<ValueError>(train.checkpoints_kept >= 1, "train.checkpoints_kept is at least 1, but is ", train.checkpoints_kept);
}

CheckpointWriter::~CheckpointWriter() = default;

bool CheckpointWriter::is_due(std::int64_t step) const {
  const auto counts = [](std::int64_t done, std::int64_t every) { return every > 0 && done % every == 0; };
  const std::int64_t per_epoch = identity_.steps_per_epoch;
  const bool by_time = train_.checkpoint_minutes > 0 && seconds_since(begun_at_) >= 60 * train_.checkpoint_minutes;
  return by_time || counts(step, train_.checkpoint_steps) ||
         (step % per_epoch == 0 && counts(step / per_epoch, train_.checkpoint_epochs));
}

bool CheckpointWriter::wants_state(const StepEnd& end) {
  const bool ready = !writing_.valid() || writing_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  if (ready) {
    collect();
    tell();
  }
  if (!train_.makes_checkpoints()) return false;
  due_ = due_ || is_due(end.step);
  return end.last || (due_ && ready);
}

void CheckpointWriter::on_state(const StepEnd& end, Learner& learner) {
  collect();
  if (skipping_ && !end.last) return;  // due until a step is made
  if (end.step == begun_) return;      // as where training is asked to stop after a step that has one
  check_statistics(learner, end.step);
  begin(end.step, learner);
}

// On the writing thread. Returns a complaint about a checkpoint that was written all the same.
std::string CheckpointWriter::write(State state, std::int64_t step) const {
  if (options_.before) options_.before();
  save_checkpoint(options_.folder / checkpoint_name(step), std::move(state), step, identity_, options_.computed_on);
  return remove_other_checkpoints(options_.folder, step, train_.checkpoints_kept);
}

void CheckpointWriter::begin(std::int64_t step, Learner& learner) {
  due_ = false;
  begun_ = step;
  begun_at_ = std::chrono::steady_clock::now();
  try {
    const auto state = std::make_shared<State>(copy_run_state(learner, objective_, host_));
    const auto work = [this, state, step] { return write(std::exchange(*state, {}), step); };
    try {
      writing_ = std::async(std::launch::async, work);
    } catch (const std::system_error&) {  // the system has no thread left
      writing_ = std::async(std::launch::deferred, work);
      writing_.wait();
    }
  } catch (const std::exception& error) {  // no memory for the copy
    fail(error.what());
  }
}

std::int64_t CheckpointWriter::newest() {
  collect();
  return written_;
}

// Waits for the write under way.
void CheckpointWriter::collect() {
  if (!writing_.valid()) return;
  try {
    const bool complained = !complaint_.empty();
    complaint_ = writing_.get();
    failure_.clear();
    written_ = begun_;
    if (!complaint_.empty() && !complained) note(complaint_);
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

void CheckpointWriter::fail(const std::string& reason) {
  begun_ = 0;
  failure_ = reason;
}

// Once for each failure that others follow, and once where it is over.
void CheckpointWriter::tell() {
  const bool fails = !failure_.empty();
  if (fails && !told_) note(concat(failure_, "; training goes on, and the next checkpoint is tried"));
  if (!fails && told_) note(concat(checkpoint_name(written_), " is written: checkpoints are made again"));
  told_ = fails;
}

void CheckpointWriter::note(const std::string& line) const {
  if (options_.note) options_.note(line);
}

void CheckpointWriter::finish() {
  collect();
  check<IoError>(failure_.empty(), "the last checkpoint is not written: ", failure_);
}

}  // namespace mec
