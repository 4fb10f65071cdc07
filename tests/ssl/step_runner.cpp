// Recording a step within a training loop: what stands in its way, and what is left when it fails.
#include "mec/ssl/training/step_runner.h"

#include <doctest/doctest.h>

#include "mec/ssl/methods/mec.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

// Holds on to one more tensor with each of the first calls, or reads on the host in every call.
class TroubledObjective : public MecObjective {
 public:
  TroubledObjective(int hoarding_calls, int reading_call)
      : MecObjective(mec_settings(tiny_settings())), hoarding_calls_(hoarding_calls), reading_call_(reading_call) {}
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepContext& step) override {
    if (calls_ == reading_call_) static_cast<void>(sum(students[0].embedding).item());
    if (calls_++ < hoarding_calls_) hoard_.push_back(Tensor::zeros({3 << 20}, Dtype::f32, teachers[0].device()));
    return MecObjective::operator()(students, teachers, step);
  }

 private:
  int calls_ = 0, hoarding_calls_, reading_call_;
  std::vector<Tensor> hoard_;
};

// Refuses to record: as the step begins, within its objective, or at its end. A broken one fails
// from then on.
enum class Refusal { at_begin, within, at_end };
constexpr const char* kRefusal = "the device cannot record this";

class RefusedCapture final : public Capture {
 public:
  RefusedCapture(std::unique_ptr<Capture> inner, Refusal when) : inner_(std::move(inner)), when_(when) {}
  void begin() override {
    check<DeviceError>(when_ != Refusal::at_begin, kRefusal);
    inner_->begin();
  }
  void end() override {
    check<DeviceError>(when_ != Refusal::at_end, kRefusal);
    inner_->end();
  }
  void replay() override { inner_->replay(); }

 private:
  std::unique_ptr<Capture> inner_;
  Refusal when_;
};

class RefusingDevice final : public ForwardingBackend {
 public:
  explicit RefusingDevice(Refusal when, bool broken = false)
      : ForwardingBackend(std::make_shared<RecordingBackend>(make_reference_device())), when_(when), broken_(broken) {}
  void synchronize() override { check<DeviceError>(!broken_, "an illegal memory access was encountered"); }
  std::unique_ptr<Capture> make_capture() override {
    return std::make_unique<RefusedCapture>(inner()->make_capture(), when_);
  }

 private:
  Refusal when_;
  bool broken_;
};

// Fails in one of its calls, as a kernel does that cannot be recorded.
class FailingObjective : public MecObjective {
 public:
  explicit FailingObjective(int failing_call) : MecObjective(mec_settings(tiny_settings())), failing_call_(failing_call) {}
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepContext& step) override {
    check<DeviceError>(calls_++ != failing_call_, kRefusal);
    return MecObjective::operator()(students, teachers, step);
  }

 private:
  int calls_ = 0, failing_call_;
};

struct Run {
  explicit Run(const Device& d) : device(d), learner(learner_options(tiny_settings()), d), scalars(Dtype::f32, d) {
    scalars.set({.lr = 0.1, .ema = 0.9});
  }
  std::vector<Tensor> views(std::uint64_t seed, std::int64_t batch = 8) const {
    return {random({batch, 10, 10, 1}, Dtype::f32, device, {.seed = seed}),
            random({batch, 10, 10, 1}, Dtype::f32, device, {.seed = seed + 100})};
  }
  Device device;
  Learner learner;
  StepScalars scalars;
};

}  // namespace

TEST_CASE("a step that still asks for memory is run once more before it is recorded") {
  Run run(std::make_shared<RecordingBackend>(make_reference_device()));
  // Two calls a step: in the first three steps, and half of the fourth.
  TroubledObjective objective(7, -1);
  StepRunner runner(run.learner, objective, run.scalars);
  std::vector<bool> replays;
  for (std::uint64_t step = 0; step < 7; ++step) {
    CHECK(runner.run(run.views(step))().finite);
    replays.push_back(runner.replays());
  }
  CHECK_FALSE(replays[2]);
  CHECK(replays.back());
}

TEST_CASE("a step that never stops asking for memory is an error, and so is one that reads on the host") {
  const auto device = std::make_shared<RecordingBackend>(make_reference_device());
  const auto fails = [&](int hoarding, int reading, const char* message) {
    Run run(device);
    TroubledObjective objective(hoarding, reading);
    StepRunner runner(run.learner, objective, run.scalars);
    const auto all = [&] {
      for (std::uint64_t step = 0; step < 9; ++step) runner.run(run.views(step));
    };
    CHECK_THROWS_WITH_AS(all(), doctest::Contains(message), Error);
  };
  fails(100, -1, "after freeze()");
  fails(0, 4, "reads () on the host");
  // The device is as before: kernels run at once, and memory may grow.
  const Tensor x = Tensor::full({16 << 20}, 2, Dtype::f32, device);
  CHECK(sum(x).item() == 2.0 * (16 << 20));
}

TEST_CASE("a batch of another size runs eagerly among replays") {
  Run run(std::make_shared<RecordingBackend>(make_reference_device())), eager(make_reference_device());
  MecObjective objective(mec_settings(tiny_settings())), same(mec_settings(tiny_settings()));
  StepRunner runner(run.learner, objective, run.scalars);
  for (const std::int64_t batch : {8, 8, 8, 8, 5, 8}) {
    const auto seed = static_cast<std::uint64_t>(batch);
    const StepMetrics metrics = runner.run(run.views(seed, batch))();
    const StepOutput expected = training_step(eager.learner, same, eager.views(seed, batch), eager.scalars);
    REQUIRE(metrics.parts.size() == expected.metrics.size());
    CHECK(runner.projection().to_vector<float>() == expected.projection.to_vector<float>());
    for (std::size_t i = 0; i < expected.metrics.size(); ++i) {
      CHECK(metrics.parts[i] == expected.metrics[i].to(Dtype::f64).to_vector<double>());
    }
  }
  CHECK(runner.replays());
  CHECK(snapshot(run.learner) == snapshot(eager.learner));
}

TEST_CASE("a step that the device refuses to record is said once, and every step runs eagerly with the same bits") {
  for (const Refusal when : {Refusal::at_begin, Refusal::within, Refusal::at_end}) {
    CAPTURE(static_cast<int>(when));
    const auto device = std::make_shared<RefusingDevice>(when);
    Run run(device), eager(make_reference_device());
    // The second call of the third step.
    FailingObjective objective(when == Refusal::within ? 5 : -1);
    MecObjective same(mec_settings(tiny_settings()));
    std::vector<std::string> notes;
    StepRunner runner(run.learner, objective, run.scalars,
                      {.note = [&](const std::string& text) { notes.push_back(text); }});
    for (std::uint64_t step = 0; step < 5; ++step) {
      CHECK(runner.run(run.views(step))().finite);
      training_step(eager.learner, same, eager.views(step), eager.scalars);
    }
    CHECK_FALSE(runner.replays());
    REQUIRE(notes.size() == 1);
    CHECK(notes[0].find(kRefusal) != std::string::npos);
    CHECK(snapshot(run.learner) == snapshot(eager.learner));
  }
}

TEST_CASE("a device that has failed within a recording ends the training with its own message") {
  const auto device = std::make_shared<RefusingDevice>(Refusal::at_end, true);
  Run run(device);
  MecObjective objective(mec_settings(tiny_settings()));
  bool noted = false;
  StepRunner runner(run.learner, objective, run.scalars, {.note = [&](const std::string&) { noted = true; }});
  for (std::uint64_t step = 0; step < 2; ++step) runner.run(run.views(step));
  CHECK_THROWS_WITH_AS(runner.run(run.views(2)), doctest::Contains("illegal memory access"), DeviceError);
  CHECK_FALSE(noted);
}

TEST_CASE("a training is told why its steps are not recorded") {
  std::vector<std::string> notes;
  Losses losses;
  train_tiny(tiny_settings(), losses, std::make_shared<RefusingDevice>(Refusal::at_end),
             {.note = [&](const std::string& text) { notes.push_back(text); }});
  CHECK(losses.metrics.size() == 6);
  CHECK(notes.size() == 1);
}
