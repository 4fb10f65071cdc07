// Learning from labels: the loss against plain formulas, what is frozen, rates of their own.
#include "mec/ssl/methods/supervised.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mec/distributed/threads.h"
#include "mec/ssl/training/step_runner.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kClasses = 4;

PretrainSettings labelled_settings() {
  PretrainSettings settings = tiny_settings();
  const PretrainSettings tiny = settings;
  choose_method(settings, kSupervised);
  settings.train.batch = tiny.train.batch;
  for (ViewSettings& view : settings.augment.views) view.size = 10;
  return settings;
}

Learner make_labelled(const PretrainSettings& settings, const Device& device, Dtype dtype = Dtype::f64) {
  return Learner({.model = settings.model,
                  .train = settings.train,
                  .in_channels = 1,
                  .ema_teacher = false,
                  .classifier = classifier_of(settings, kClasses),
                  .parameters = dtype},
                 device);
}

StepInput random_batch(const Device& device, std::uint64_t seed, Dtype dtype = Dtype::f64) {
  std::vector<std::int32_t> labels;
  for (std::uint64_t i = 0; i < 8; ++i) labels.push_back(static_cast<std::int32_t>((3 * i + seed) % kClasses));
  return {{random({8, 10, 10, 1}, dtype, device, {.seed = seed})}, Tensor::from(labels, {8}, device)};
}

void step(Learner& learner, const PretrainSettings& settings, std::uint64_t seed, double lr = 0.1) {
  const Device device = learner.parameters.values().device();
  const Dtype dtype = learner.parameters.values().dtype();
  const auto objective = make_step_objective(settings, device, dtype);
  const StepScalars scalars(dtype, device);
  scalars.set({.lr = lr, .ema = 1});
  training_step(learner, *objective, random_batch(device, seed, dtype), scalars);
}

// Name and values of each parameter and running statistic.
std::vector<std::pair<std::string, std::vector<double>>> state_of_network(Learner& learner) {
  std::vector<std::pair<std::string, std::vector<double>>> all;
  for (const auto& [name, parameter] : parameters_of(learner.online))
    all.emplace_back(name, parameter.value.data().to(Dtype::f64).to_vector<double>());
  for (const auto& [name, buffer] : buffers_of(learner.online))
    all.emplace_back(name, buffer.to(Dtype::f64).to_vector<double>());
  return all;
}

// Name of each, and whether it is what it was before.
std::vector<std::pair<std::string, bool>> kept_since(const std::vector<std::pair<std::string, std::vector<double>>>& before,
                                                     Learner& learner) {
  std::vector<std::pair<std::string, bool>> all;
  for (const auto& [name, values] : state_of_network(learner)) all.emplace_back(name, values == before[all.size()].second);
  return all;
}

struct Taken {
  double loss = 0, accuracy = 0;
  std::vector<double> gradient;
};

Taken take(const std::vector<double>& logits, const std::vector<std::int32_t>& labels, double smoothing,
           const BatchRows& rows = {}) {
  const Device device = make_reference_device();
  const auto n = static_cast<std::int64_t>(labels.size());
  SupervisedObjective objective(smoothing);
  const ObjectiveResult result =
      objective({{0, Tensor::from(logits, {n, static_cast<std::int64_t>(logits.size()) / n}, device), {}}}, {},
                {.predict = {}, .rows = rows, .labels = Tensor::from(labels, {n}, device)});
  const Metrics metrics = objective.summarize({result.metrics.at(0).to_vector<double>()});
  return {metrics.at(0).second, metrics.at(1).second, result.gradients.at(0).to_vector<double>()};
}

// The definition, one row after another.
Taken plain(const std::vector<double>& logits, const std::vector<std::int32_t>& labels, double s) {
  const std::size_t n = labels.size(), k = logits.size() / n;
  Taken out;
  for (std::size_t i = 0; i < n; ++i) {
    const double* x = &logits[i * k];
    double sum = 0;
    for (std::size_t c = 0; c < k; ++c) sum += std::exp(x[c]);
    for (std::size_t c = 0; c < k; ++c) {
      const bool is_label = static_cast<std::int32_t>(c) == labels[i];
      const double q = (is_label ? 1 - s : 0) + s / static_cast<double>(k), p = std::exp(x[c]) / sum;
      out.loss -= q * std::log(p) / static_cast<double>(n);
      out.gradient.push_back((p - q) / static_cast<double>(n));
    }
    out.accuracy += std::max_element(x, x + k) - x == labels[i] ? 1.0 / static_cast<double>(n) : 0;  // the first of equals
  }
  return out;
}

void check_same(const Taken& taken, const Taken& expected) {
  CHECK(taken.loss == doctest::Approx(expected.loss).epsilon(1e-13));
  CHECK(taken.accuracy == doctest::Approx(expected.accuracy).epsilon(1e-13));
  CHECK(worst(taken.gradient, expected.gradient) < 1e-14);
}

}  // namespace

TEST_CASE("loss, gradient and accuracy are those of the definition") {
  const std::vector<double> logits{1, -2, 0.5, 3, 0, 0, 0, 0, -1, 4, 4.0000001, 2};
  for (const double s : {0.0, 0.1, 0.9}) {
    CAPTURE(s);
    check_same(take(logits, {3, 1, 1}, s), plain(logits, {3, 1, 1}, s));
    check_same(take(logits, {0, 2, 2}, s), plain(logits, {0, 2, 2}, s));
  }
}

TEST_CASE("over ranks the loss is that of all rows, and the gradient that of the own ones") {
  const std::vector<double> logits{1, -2, 0.5, 3, 0, 7, -1, 4, 2, 0, 0, 1};
  const std::vector<std::int32_t> labels{2, 1, 0, 0};
  const Taken all = take(logits, labels, 0.1);
  run_ranks(2, [&](const CommunicatorPtr& ranks) {
    const std::size_t first = ranks->rank() == 0 ? 0 : 2;
    const auto at = logits.begin() + static_cast<std::ptrdiff_t>(3 * first);
    const Taken own = take({at, at + 6}, {labels[first], labels[first + 1]}, 0.1, BatchRows(ranks));
    check<ValueError>(std::fabs(own.loss - all.loss) < 1e-14 && std::fabs(own.accuracy - all.accuracy) < 1e-14, "loss ",
                      own.loss, " of ", all.loss);
    for (std::size_t i = 0; i < 6; ++i)
      check<ValueError>(std::fabs(own.gradient[i] - all.gradient[3 * first + i]) < 1e-15, "row");
  });
}

TEST_CASE("frozen parts keep parameters and statistics, and all others learn") {
  for (std::int64_t frozen = 0; frozen <= 5; ++frozen) {
    CAPTURE(frozen);
    PretrainSettings settings = labelled_settings();
    settings.train.frozen_stages = frozen;
    Learner learner = make_labelled(settings, make_reference_device());
    // Blocks that begin as the identity would give their first layers no gradient.
    for (auto& [name, parameter] : parameters_of(learner.online)) {
      if (name.ends_with("bn2.weight")) parameter.value.data().fill(1);
    }
    const auto before = state_of_network(learner);
    step(learner, settings, 1);
    for (const auto& one : kept_since(before, learner)) {
      const std::string& name = one.first;
      CAPTURE(name);
      const std::size_t stage = name.find("layer");
      const std::int64_t part = name.starts_with("predictor.") ? 5 : stage == std::string::npos ? 0 : name[stage + 5] - '0';
      CHECK(one.second == (part < frozen));
    }
  }
}

TEST_CASE("frozen statistics stay as they are, while weights learn through them") {
  PretrainSettings settings = labelled_settings();
  settings.train.frozen_batch_norm = true;
  Learner learner = make_labelled(settings, make_reference_device());
  const auto before = state_of_network(learner);
  step(learner, settings, 1);
  for (const auto& one : kept_since(before, learner)) {
    const std::string& name = one.first;
    CAPTURE(name);
    if (name.find("running_") != std::string::npos) CHECK(one.second);
    if (name == "encoder.conv1.weight" || name == "encoder.bn1.bias" || name == "predictor.0.weight") CHECK_FALSE(one.second);
  }
}

TEST_CASE("the encoder's rate is its factor times that of the classifier") {
  const auto changes = [](double factor) {
    PretrainSettings settings = labelled_settings();
    settings.train.weight_decay = 0;
    settings.train.encoder_lr_factor = factor;
    Learner learner = make_labelled(settings, make_reference_device());
    const auto before = state_of_network(learner);
    step(learner, settings, 1);
    std::pair<double, double> sums;  // of what encoder and classifier moved
    std::size_t i = 0;
    for (const auto& [name, values] : state_of_network(learner)) {
      const auto& old = before[i++].second;
      if (name.find("running_") != std::string::npos) continue;
      for (std::size_t v = 0; v < values.size(); ++v)
        (name.starts_with("encoder.") ? sums.first : sums.second) += std::fabs(values[v] - old[v]);
    }
    return sums;
  };
  const auto [encoder, head] = changes(1);
  const auto [slow, same_head] = changes(0.25);
  CHECK(slow == doctest::Approx(0.25 * encoder).epsilon(1e-10));
  CHECK(same_head == head);
  CHECK(changes(0).first == 0);
}

TEST_CASE("a frozen encoder's batch passes in parts to the same step") {
  std::vector<std::vector<double>> ends;
  for (const std::int64_t parts : {1, 4}) {
    PretrainSettings settings = labelled_settings();
    settings.train.frozen_stages = 5;
    settings.train.accumulate = parts;
    Learner learner = make_labelled(settings, make_reference_device());
    for (std::uint64_t seed = 0; seed < 3; ++seed) step(learner, settings, seed);
    ends.push_back(snapshot(learner));
  }
  CHECK(worst(ends[0], ends[1]) < 1e-13);
}

TEST_CASE("labels go with a replayed step, and the bits are those of an eager one") {
  for (const char* precision : {"f32", "bf16"}) {
    for (const double smoothing : {0.0, 0.1}) {
      CAPTURE(precision);
      PretrainSettings settings = labelled_settings();
      settings.train.precision = precision;
      settings.method_settings["label_smoothing"] = smoothing;
      settings.method_settings["head_norm"] = 1;
      const auto run = [&](const Device& device, bool capture) {
        Learner learner = make_labelled(settings, device, Dtype::f32);
        const auto objective = make_step_objective(settings, device);
        const StepScalars scalars(Dtype::f32, device);
        scalars.set({.lr = 0.1, .ema = 1});
        StepRunner runner(learner, *objective, scalars, {.capture = capture});
        std::vector<double> losses;
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
          const StepMetrics metrics = runner.run(random_batch(device, seed, Dtype::f32))();
          losses.insert(losses.end(), metrics.parts[0].begin(), metrics.parts[0].end());
        }
        CHECK(runner.replays() == capture);
        const auto state = snapshot(learner);
        losses.insert(losses.end(), state.begin(), state.end());
        return losses;
      };
      const std::vector<double> eager = run(make_cpu_device(), false);
      CHECK(run(std::make_shared<RecordingBackend>(make_cpu_device()), true) == eager);
    }
  }
}

TEST_CASE("labels belong to a method that learns from them, and to no other") {
  const Device device = make_reference_device();
  const PretrainSettings settings = labelled_settings();
  Learner learner = make_labelled(settings, device);
  const auto objective = make_step_objective(settings, device, Dtype::f64);
  const StepScalars scalars(Dtype::f64, device);
  StepInput input = random_batch(device, 1);
  input.labels = {};
  CHECK_THROWS_WITH_AS(training_step(learner, *objective, input, scalars), doctest::Contains("the batch has none"), ValueError);
  CHECK_THROWS_WITH_AS(make_objective(settings, device), doctest::Contains("learns from labels"), ValueError);

  const PretrainSettings others = tiny_settings_of("simsiam");
  Learner unlabelled(learner_options(others, Dtype::f64, false), device);
  const auto simsiam = make_step_objective(others, device, Dtype::f64);
  CHECK_THROWS_WITH_AS(training_step(unlabelled, *simsiam, random_batch(device, 1), scalars),
                       doctest::Contains("learns without labels"), ValueError);
  PretrainSettings regularised = settings;
  regularised.mixture_kl.weight = 1;
  CHECK_THROWS_WITH_AS(make_step_objective(regularised, device), doctest::Contains("mixture_kl.weight is 1"), ValueError);
}

TEST_CASE("a method that learns from labels has its own views and settings, and they go with it") {
  PretrainSettings settings;
  settings.augment.views[0].size = 28;
  choose_method(settings, kSupervised);
  CHECK(learns_from_labels(settings));
  CHECK(settings.augment.views[0].size == 28);
  REQUIRE(settings.augment.views.size() == 1);
  CHECK(settings.augment.views[0].jitter_probability == 0);
  CHECK(settings.augment.views[0].scale_min == 0.08F);
  choose_method(settings, "mec");
  CHECK(settings.augment.views.size() == 2);
  CHECK(settings.augment.views[1].size == 28);
  CHECK(settings.augment.views[0].blur_probability == 1);
}
