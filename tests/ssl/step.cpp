// The training step as a whole: replays, views one at a time, who gets a gradient.
#include "mec/ssl/training/step.h"

#include <doctest/doctest.h>

#include "mec/ssl/methods/mec.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

Tensor images(std::uint64_t seed, const Device& device, Dtype dtype = Dtype::f32) {
  return random({8, 10, 10, 1}, dtype, device, {.seed = seed});
}

// What changes from step to step.
StepValues values_at(int step) { return {.lr = 0.05 + 0.01 * step, .ema = 0.9 + 0.01 * step}; }

// Trains `steps` steps on changing data, by `run` for each, and returns the end state.
template <class Run>
std::vector<double> train_steps(const Device& device, const std::string& precision, int steps, Run prepare) {
  PretrainSettings settings = tiny_settings();
  settings.train.precision = precision;
  Learner learner(learner_options(settings), device);
  const auto objective = make_objective(settings, device);
  const StepScalars scalars(Dtype::f32, device);
  const std::vector<Tensor> views{images(1, device), images(2, device)};
  StepOutput output;  // kept: a replay writes into it
  const auto once = prepare([&] { output = training_step(learner, *objective, views, scalars); });
  for (int step = 0; step < steps; ++step) {
    for (std::size_t view = 0; view < 2; ++view) {
      fill_random(views[view], {.seed = 100 + 2 * static_cast<std::uint64_t>(step) + view});
    }
    scalars.set(values_at(step));
    objective->before_step(step, 3);  // λ rises over three steps
    once();
  }
  return snapshot(learner);
}

}  // namespace

TEST_CASE("K replays of a recorded step equal K eager steps to the bit") {
  for (const char* name : {"reference", "cpu"}) {
    for (const char* precision : {"f32", "bf16"}) {
      CAPTURE(name);
      CAPTURE(precision);
      const auto eager = train_steps(make_device(name), precision, 4, [](auto step) { return step; });
      const auto recorder = std::make_shared<RecordingBackend>(make_device(name));
      const auto replayed = train_steps(recorder, precision, 4, [&](auto step) {
        recorder->begin();
        step();
        recorder->end();
        return [&] { recorder->replay(); };
      });
      CHECK(eager == replayed);
    }
  }
}

TEST_CASE("a step after the warm-up takes no memory from the system") {
  const Device device = make_cpu_device();
  Learner learner(learner_options(tiny_settings()), device);
  MecObjective objective(mec_settings(tiny_settings()));
  const StepScalars scalars(Dtype::f32, device);
  const std::vector<Tensor> views{images(1, device), images(2, device)};
  scalars.set(values_at(0));
  training_step(learner, objective, views, scalars);
  device->allocator().freeze();
  CHECK_NOTHROW(training_step(learner, objective, views, scalars));
}

namespace {

// MEC with all students at once: the same loss without the promise that views may come one by one.
class TogetherObjective : public MecObjective {
 public:
  using MecObjective::MecObjective;
  bool view_by_view() const override { return false; }
};

}  // namespace

TEST_CASE("views one at a time give the result of all views together, for two views and three") {
  for (const std::size_t count : {std::size_t{2}, std::size_t{3}}) {
    std::vector<std::vector<double>> ends;
    std::vector<Metrics> metrics;
    for (const bool one_by_one : {true, false}) {
      const Device device = make_reference_device();
      Learner learner(learner_options(tiny_settings(), Dtype::f64), device);
      std::unique_ptr<Objective> objective;
      if (one_by_one) objective = std::make_unique<MecObjective>(mec_settings(tiny_settings()));
      else objective = std::make_unique<TogetherObjective>(mec_settings(tiny_settings()));
      const StepScalars scalars(Dtype::f64, device);
      scalars.set(values_at(0));
      std::vector<Tensor> views;
      for (std::size_t v = 0; v < count; ++v) views.push_back(images(v, device, Dtype::f64));
      const StepOutput out = training_step(learner, *objective, views, scalars);
      std::vector<std::vector<double>> parts;
      for (const Tensor& part : out.metrics) parts.push_back(part.to_vector<double>());
      CHECK(parts.size() == count * (count - 1));
      metrics.push_back(objective->summarize(parts));
      ends.push_back(snapshot(learner));
    }
    CHECK(metrics[0] == metrics[1]);
    double worst = 0;
    for (std::size_t i = 0; i < ends[0].size(); ++i) worst = std::max(worst, std::fabs(ends[0][i] - ends[1][i]));
    CHECK(worst < 1e-12);  // the order of two sums in f64
  }
}

TEST_CASE("the teacher moves by the average alone, and its statistics are its own") {
  const Device device = make_reference_device();
  Learner learner(learner_options(tiny_settings(), Dtype::f64), device);
  const StepScalars scalars(Dtype::f64, device);
  scalars.set({.lr = 0.1, .ema = 0.75});
  const auto before = learner.teacher->parameters.values().to_vector<double>();
  MecObjective objective(mec_settings(tiny_settings()));
  training_step(learner, objective, {{images(1, device, Dtype::f64), images(2, device, Dtype::f64)}}, scalars);
  const auto after = learner.teacher->parameters.values().to_vector<double>();
  // The teacher's entries come first.
  const auto online = learner.parameters.values().to_vector<double>();
  double worst = 0, moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    worst = std::max(worst, std::fabs(after[i] - (0.75 * before[i] + 0.25 * online[i])));
    moved = std::max(moved, std::fabs(after[i] - before[i]));
  }
  CHECK(worst < 1e-15);
  CHECK(moved > 1e-6);
  for (const auto& [name, parameter] : parameters_of(learner.teacher->network)) CHECK_FALSE(parameter.value.requires_grad());
  for (const auto& [name, buffer] : buffers_of(learner.teacher->network)) {
    CHECK(buffer.to_vector<double>() !=
          std::vector<double>(static_cast<std::size_t>(buffer.numel()), name.ends_with("mean") ? 0.0 : 1.0));
  }
}
