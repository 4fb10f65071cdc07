// Training that is asked to stop ends between two steps, with all that was done reported.
#include <doctest/doctest.h>

#include "mec/ssl/methods/mec.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

// What it saw, as words: "step 3", "epoch 1", "state 3 last". Wants the state after every
// `every`-th step, and where training ends.
struct Witness : Observer {
  explicit Witness(std::int64_t every_in) : every(every_in) {}
  void on_step(const StepReport& report) override { seen.push_back(concat("step ", report.step)); }
  void on_epoch(std::int64_t epoch, Learner&) override { seen.push_back(concat("epoch ", epoch)); }
  bool wants_state(const StepEnd& end) override { return end.last || end.step % every == 0; }
  void on_state(const StepEnd& end, Learner&) override { seen.push_back(concat("state ", end.step, end.last ? " last" : "")); }
  std::int64_t every;
  std::vector<std::string> seen;
};

using Words = std::vector<std::string>;

// A run of two epochs of three steps. Asked to stop the `stop`-th time that `phase` comes next.
Words run(const Device& device, std::int64_t every, TrainPhase phase, int stop, std::int64_t expected_steps) {
  const PretrainSettings settings = tiny_settings();
  Learner learner(learner_options(settings), device);
  LoaderOptions options = training_options();
  options.batch = settings.train.batch;
  options.epochs = settings.train.epochs;
  const auto data = std::make_shared<GeneratedImages>(26, 12);
  Loader loader(data, make_augmentation(settings.augment, data->info().normalization), options, device);
  MecObjective objective(mec_settings(settings));
  Witness witness(every), other(1000);
  int asked = 0;
  const auto stops = [&](TrainPhase next) { return next == phase && ++asked == stop; };
  CHECK(train(learner, objective, loader, settings, {&witness, &other}, {.stop_requested = stops}) == expected_steps);
  CHECK(other.seen.size() == static_cast<std::size_t>(expected_steps + expected_steps / 3 + 1));
  return witness.seen;
}

}  // namespace

TEST_CASE("a state is shown after the reports of all its steps and after its epoch, on devices that run ahead too") {
  for (const Device& device : {make_cpu_device(), Device(std::make_shared<RecordingBackend>(make_cpu_device()))}) {
    CHECK(run(device, 2, TrainPhase::step, 100, 6) == Words{"step 1", "step 2", "state 2", "step 3", "epoch 1", "step 4",
                                                            "state 4", "step 5", "step 6", "epoch 2", "state 6 last"});
    CHECK(run(device, 3, TrainPhase::step, 100, 6) ==
          Words{"step 1", "step 2", "step 3", "epoch 1", "state 3", "step 4", "step 5", "step 6", "epoch 2", "state 6 last"});
  }
}

TEST_CASE("training that is asked to stop does so before it waits for the loader, or before the step") {
  for (const Device& device : {make_cpu_device(), Device(std::make_shared<RecordingBackend>(make_cpu_device()))}) {
    for (const TrainPhase phase : {TrainPhase::loading, TrainPhase::step}) {
      CHECK(run(device, 100, phase, 1, 0) == Words{"state 0 last"});
      CHECK(run(device, 100, phase, 3, 2) == Words{"step 1", "step 2", "state 2 last"});
      CHECK(run(device, 2, phase, 3, 2) == Words{"step 1", "step 2", "state 2", "state 2 last"});
      CHECK(run(device, 100, phase, 4, 3) == Words{"step 1", "step 2", "step 3", "epoch 1", "state 3 last"});
      CHECK(run(device, 100, phase, 5, 4) == Words{"step 1", "step 2", "step 3", "epoch 1", "step 4", "state 4 last"});
      CHECK(run(device, 100, phase, 7, 6).back() == "state 6 last");
    }
  }
}
