// A step whose loss or gradients are not finite changes nothing where train.on_nonfinite is "skip".
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "mec/ssl/training/step_runner.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kSteps = 5, kSpoilt = 2;

// What is not finite in one step: a pixel, and with it all that follows; a gradient; the loss; a
// running statistic, as where a variance overflows, after which all is zero.
enum class Where { pixel, gradient, loss, statistic };
constexpr Where kAll[] = {Where::pixel, Where::gradient, Where::loss, Where::statistic};

// Adds numbers in device memory to an entry of the first student's gradient, to the loss and to a
// running statistic.
class Spoiling : public Objective {
 public:
  Spoiling(std::unique_ptr<Objective> inner, Dtype dtype, const Device& device)
      : gradient(Tensor::zeros({1}, dtype, device)),
        loss(gradient.clone()),
        statistic(gradient.clone()),
        inner_(std::move(inner)) {}
  std::string name() const override { return inner_->name(); }
  bool ema_teacher() const override { return inner_->ema_teacher(); }
  bool view_by_view() const override { return inner_->view_by_view(); }
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepContext& step) override {
    ObjectiveResult out = (*inner_)(students, teachers, step);
    if (students[0].view != 0) return out;
    add_into(gradient, out.gradients[0].segment(5, {1}));
    add_into(loss, out.metrics[0].reshape({-1}).segment(0, {1}));
    add_into(statistic, running);
    return out;
  }
  Metrics summarize(const std::vector<std::vector<double>>& parts) const override { return inner_->summarize(parts); }
  void before_step(std::int64_t step, std::int64_t per_epoch) override { inner_->before_step(step, per_epoch); }
  std::vector<NamedBuffer> state() const override { return inner_->state(); }

  Tensor gradient, loss, statistic;
  Tensor running;  // (1), of the network

 private:
  std::unique_ptr<Objective> inner_;
};

struct Plan {
  Where where = Where::pixel;
  double value = kNan;
  Dtype dtype = Dtype::f32;
  bool spoils = true;       // at step kSpoilt
  bool leaves_out = false;  // that step does not happen
};

// The state after each step. prepare() takes the step and returns what stands for it.
template <class Prepare>
std::vector<std::vector<double>> states(PretrainSettings settings, const Plan& plan, const Device& device, Prepare prepare) {
  settings.train.on_nonfinite = OnNonfinite::skip;
  Spoiling objective(make_step_objective(settings, device, plan.dtype), plan.dtype, device);
  Learner learner(learner_options(settings, plan.dtype, objective.ema_teacher()), device);
  objective.running = buffers_of(learner.online).at(1).tensor.segment(1, {1});
  const StepScalars scalars(plan.dtype, device);
  std::vector<Tensor> views;
  for (int view = 0; view < 2; ++view) views.push_back(Tensor::zeros({8, 10, 10, 1}, plan.dtype, device));
  StepOutput output;  // kept: a replay writes into it
  const auto once = prepare([&] { output = training_step(learner, objective, views, scalars); });
  std::vector<std::vector<double>> all;
  for (int step = 0; step < kSteps; ++step) {
    const bool spoilt = step == kSpoilt && plan.spoils;
    for (std::uint64_t view = 0; view < 2; ++view)
      fill_random(views[view], {.seed = 100 + 2 * static_cast<std::uint64_t>(step) + view});
    if (spoilt && plan.where == Where::pixel) views[0].segment(333, {1}).fill(plan.value);
    objective.gradient.fill(spoilt && plan.where == Where::gradient ? plan.value : 0);
    objective.loss.fill(spoilt && plan.where == Where::loss ? plan.value : 0);
    objective.statistic.fill(spoilt && plan.where == Where::statistic ? plan.value : 0);
    scalars.set({.lr = 0.05 + 0.01 * step, .ema = 0.9 + 0.01 * step});
    objective.before_step(step, 2);
    if (step != kSpoilt || !plan.leaves_out) {
      once();
      CHECK((output.finite.item() == 1.0) == !spoilt);
    }
    all.push_back(snapshot_of(learner, objective));
  }
  return all;
}

std::vector<std::vector<double>> eager_states(const PretrainSettings& settings, const Plan& plan, const Device& device) {
  return states(settings, plan, device, [](auto step) { return step; });
}

void check_skipped(const PretrainSettings& settings, Plan plan, const Device& device) {
  const auto skipped = eager_states(settings, plan, device);
  CHECK(skipped[kSpoilt] == skipped[kSpoilt - 1]);
  CHECK(skipped[kSpoilt + 1] != skipped[kSpoilt]);
  CHECK(std::ranges::all_of(skipped.back(), [](double value) { return std::isfinite(value); }));
  CHECK(skipped == eager_states(settings, {.dtype = plan.dtype, .spoils = false, .leaves_out = true}, device));
  CHECK(skipped.back() != eager_states(settings, {.dtype = plan.dtype, .spoils = false}, device).back());
}

std::vector<PretrainSettings> settings_of_all_methods() {
  std::vector<PretrainSettings> all;
  for (const Method& method : methods()) all.push_back(tiny_settings_of(method.name));
  all.push_back(tiny_settings());
  all.back().method_settings["components"] = 2;
  all.push_back(tiny_settings_of("moco-v2"));
  all.back().mixture_kl.weight = 0.5;
  for (const char* method : {"mec", "swav"}) {
    all.push_back(tiny_settings_of(method));
    all.back().train.accumulate = 2;
  }
  return all;
}

}  // namespace

TEST_CASE("a step that is not finite leaves networks, optimiser and objective as they were, whatever the method") {
  for (const PretrainSettings& settings : settings_of_all_methods()) {
    CAPTURE(settings.method);
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      for (const Where where : kAll) {
        CAPTURE(static_cast<int>(where));
        check_skipped(settings, {.where = where, .dtype = dtype}, make_cpu_device());
      }
    }
  }
}

TEST_CASE("a step that is not finite leaves the state of every optimiser, and AdamW's count of steps") {
  for (const char* optimizer : {"sgd", "lars", "adamw"}) {
    CAPTURE(optimizer);
    PretrainSettings settings = tiny_settings();
    settings.train.optimizer = optimizer;
    settings.train.constant_predictor_rate = true;
    settings.train.decay_norm_and_bias = false;
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      for (const double value : {kNan, kInfinity, -kInfinity})
        check_skipped(settings, {.where = Where::gradient, .value = value, .dtype = dtype}, make_reference_device());
    }
  }
}

TEST_CASE("a recorded step that is replayed skips what an eager one skips, to the bit") {
  for (PretrainSettings settings : settings_of_all_methods()) {
    CAPTURE(settings.method);
    if (settings.method == "byol") settings.train.optimizer = "adamw";
    for (const Where where : kAll) {
      const Plan plan{.where = where};
      const auto recorder = std::make_shared<RecordingBackend>(make_cpu_device());
      const auto replayed = states(settings, plan, recorder, [&](auto step) {
        recorder->begin();
        step();
        recorder->end();
        return [&] { recorder->replay(); };
      });
      CHECK(replayed == eager_states(settings, plan, make_cpu_device()));
    }
  }
}

TEST_CASE("a finite training has the same bits whether steps may be skipped or not") {
  for (const char* optimizer : {"sgd", "adamw"}) {
    PretrainSettings settings = tiny_settings();
    settings.train.optimizer = optimizer;
    Losses stop, skip;
    const auto expected = train_tiny(settings, stop);
    settings.train.on_nonfinite = OnNonfinite::skip;
    CHECK(train_tiny(settings, skip) == expected);
    CHECK(skip.metrics == stop.metrics);
  }
}
