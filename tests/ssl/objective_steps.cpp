// Each method trains: to the bit, also when a step is replayed; with a second network only where it
// asks for one.
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "gpu/cases_by_name.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

// Counts the kernels of the recording that the device holds as a step is reported.
struct Replays : Losses {
  explicit Replays(std::shared_ptr<RecordingBackend> d) : device(std::move(d)) {}
  void on_step(const StepReport& report) override {
    Losses::on_step(report);
    recorded.push_back(device->size());
  }
  std::shared_ptr<RecordingBackend> device;
  std::vector<std::size_t> recorded;
};

void check_recorded_training(const PretrainSettings& settings) {
  Losses eager;
  const auto expected = train_tiny(settings, eager);
  for (const bool capture : {true, false}) {
    const auto device = std::make_shared<RecordingBackend>(make_cpu_device());
    Replays replays(device);
    CHECK(train_tiny(settings, replays, device, {.capture = capture}) == expected);
    CHECK(replays.metrics == eager.metrics);
    CHECK((replays.recorded.back() > 100) == capture);  // the ninth step was read
    CHECK(device->size() == 0);
  }
}

}  // namespace

TEST_CASE("each method's training from a recorded step has the bits of the eager one, in metrics and weights") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    PretrainSettings settings = tiny_settings_of(method.name);
    settings.augment.views.back().size = 8;
    settings.train.epochs = 3;
    settings.train.constant_predictor_rate = method.name == "simsiam";
    check_recorded_training(settings);
  }
}

TEST_CASE(
    "training with AdamW from a recorded step has the bits of the eager one: the count of steps goes on in the recording") {
  PretrainSettings settings = tiny_settings();
  settings.train.optimizer = "adamw";
  settings.train.lr = 0.01;
  settings.train.epochs = 3;
  check_recorded_training(settings);
}

TEST_CASE("each method has a test case of its own on a GPU") {
  std::set<std::string> known;
  for (const Method& method : methods()) known.insert(method.name);
  CHECK(methods_with_cases() == known);
}

TEST_CASE("memory of a recorded step is given back when the training ends") {
  const auto device = std::make_shared<RecordingBackend>(make_cpu_device());
  std::size_t reserved = 0;
  for (int run = 0; run < 3; ++run) {
    Losses losses;
    train_tiny(tiny_settings_of("mec"), losses, device);
    CHECK(device->allocator().stats().in_use == 0);
    if (run == 0) reserved = device->allocator().stats().reserved;
  }
  CHECK(device->allocator().stats().reserved == reserved);
}

TEST_CASE("each method trains, and a run twice gives the same bits") {
  for (const Method& method : methods()) {
    for (const std::size_t views : {std::size_t{2}, std::size_t{3}}) {
      CAPTURE(method.name);
      CAPTURE(views);
      PretrainSettings settings = tiny_settings_of(method.name);
      settings.augment.views.resize(views, settings.augment.views.back());
      settings.augment.views.back().size = 8;  // a smaller crop beside the others
      Losses first, second;
      CHECK(train_tiny(settings, first) == train_tiny(settings, second));
      REQUIRE(first.metrics.size() == 6);
      for (const Metrics& metrics : first.metrics) {
        CHECK(metrics.front().first == "loss");
        for (const auto& metric : metrics) CHECK_MESSAGE(std::isfinite(metric.second), metric.first);
      }
      CHECK(first.metrics == second.metrics);
      CHECK(first.metrics.front() != first.metrics.back());
    }
  }
}

TEST_CASE("K replays of a recorded step equal K eager steps to the bit, for each method") { check_replayed_methods(1); }

TEST_CASE("a step after the first takes no memory from the system, whatever the method") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    const Device device = make_cpu_device();
    const PretrainSettings settings = tiny_settings_of(method.name);
    const auto objective = make_objective(settings, device);
    Learner learner(learner_options(settings, Dtype::f32, objective->ema_teacher()), device);
    const StepScalars scalars(Dtype::f32, device);
    scalars.set({.lr = 0.05, .ema = 0.9});
    const std::vector<Tensor> views{random({8, 10, 10, 1}, Dtype::f32, device, {.seed = 1}),
                                    random({8, 10, 10, 1}, Dtype::f32, device, {.seed = 2})};
    training_step(learner, *objective, views, scalars);
    device->allocator().freeze();
    CHECK_NOTHROW(training_step(learner, *objective, views, scalars));
  }
}

TEST_CASE("MEC of order 1 without an averaged teacher trains as SimSiam does") {
  std::vector<std::vector<double>> ends;
  for (const char* method : {"simsiam", "mec"}) {
    const Device device = make_reference_device();
    PretrainSettings settings = tiny_settings_of("simsiam");
    settings.method = method;
    if (settings.method == "mec") settings.method_settings = {{"order", 1}, {"ema_teacher", false}};
    const auto objective = make_objective(settings, device, Dtype::f64);
    Learner learner(learner_options(settings, Dtype::f64, objective->ema_teacher()), device);
    const StepScalars scalars(Dtype::f64, device);
    scalars.set({.lr = 0.1, .ema = 1});
    for (std::uint64_t step = 0; step < 3; ++step) {
      training_step(learner, *objective,
                    {{random({8, 10, 10, 1}, Dtype::f64, device, {.seed = 2 * step}),
                      random({8, 10, 10, 1}, Dtype::f64, device, {.seed = 2 * step + 1})}},
                    scalars);
    }
    ends.push_back(snapshot(learner));
  }
  REQUIRE(ends[0].size() == ends[1].size());
  double worst = 0;
  for (std::size_t i = 0; i < ends[0].size(); ++i) worst = std::max(worst, std::fabs(ends[0][i] - ends[1][i]));
  CHECK(worst < 1e-9);  // three steps of rounding in f64
}

TEST_CASE("simsiam's predictor keeps its learning rate while the others' falls") {
  const Device device = make_reference_device();
  const PretrainSettings settings = tiny_settings_of("simsiam");
  Learner learner(learner_options(settings, Dtype::f64, false), device);
  const auto objective = make_objective(settings, device, Dtype::f64);
  const StepScalars scalars(Dtype::f64, device);
  scalars.set({.lr = 0, .ema = 1});  // the end of the cosine
  std::vector<std::vector<double>> before;
  for (const auto& entry : learner.parameters.entries()) before.push_back(entry.variable.data().to_vector<double>());
  training_step(
      learner, *objective,
      {{random({8, 10, 10, 1}, Dtype::f64, device, {.seed = 1}), random({8, 10, 10, 1}, Dtype::f64, device, {.seed = 2})}},
      scalars);
  std::size_t i = 0;
  for (const auto& entry : learner.parameters.entries()) {
    CAPTURE(entry.name);
    CHECK((entry.variable.data().to_vector<double>() != before[i++]) == entry.name.starts_with("predictor."));
  }
}

namespace {

// SimSiam that looks at what the step hands it.
class WatchingObjective : public PairObjective {
 public:
  explicit WatchingObjective(PairObjective& inner) : PairObjective({.metrics = {"loss", "cosine"}}), inner_(inner) {}
  std::string name() const override { return "watching"; }
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    return inner_.pair(p, z, options);
  }
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepContext& step) override {
    REQUIRE(students.size() == teachers.size());
    for (std::size_t v = 0; v < students.size(); ++v) {
      CHECK(teachers[v].same_memory(students[v].projection));
      CHECK_FALSE(teachers[v].same_memory(students[v].embedding));
      CHECK(step.predict(teachers[v]).to_vector<double>() == students[v].embedding.to_vector<double>());
    }
    return PairObjective::operator()(students, teachers, step);
  }

 private:
  PairObjective& inner_;
};

}  // namespace

TEST_CASE("without an averaged teacher, teachers are the students' projections, before the predictor") {
  const Device device = make_reference_device();
  const PretrainSettings settings = tiny_settings_of("simsiam");
  Learner learner(learner_options(settings, Dtype::f64, false), device);
  const auto simsiam = make_objective(settings, device, Dtype::f64);
  WatchingObjective objective(*simsiam);
  const StepScalars scalars(Dtype::f64, device);
  training_step(
      learner, objective,
      {{random({8, 10, 10, 1}, Dtype::f64, device, {.seed = 1}), random({8, 10, 10, 1}, Dtype::f64, device, {.seed = 2})}},
      scalars);
}

TEST_CASE("a learner that does not fit its objective is refused") {
  const Device device = make_reference_device();
  const std::vector<Tensor> views{random({8, 10, 10, 1}, Dtype::f32, device, {.seed = 1}),
                                  random({8, 10, 10, 1}, Dtype::f32, device, {.seed = 2})};
  const StepScalars scalars(Dtype::f32, device);
  for (const bool with_teacher : {true, false}) {
    const PretrainSettings settings = tiny_settings_of(with_teacher ? "simclr" : "byol");
    Learner learner(learner_options(settings, Dtype::f32, with_teacher), device);
    const auto objective = make_objective(settings, device);
    CHECK_THROWS_WITH_AS(training_step(learner, *objective, views, scalars), doctest::Contains("an averaged teacher"),
                         ValueError);
  }
}
