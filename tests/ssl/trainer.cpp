// The loop: schedules, reports, determinism, and what stops it.
#include "mec/ssl/training/trainer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "mec/ssl/methods/mec.h"
#include "mec/tensor/devices.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Reports : Observer {
  void on_step(const StepReport& report) override { steps.push_back(report); }
  void on_epoch(std::int64_t epoch, Learner&) override { epochs.push_back(epoch); }
  std::vector<StepReport> steps;
  std::vector<std::int64_t> epochs;
};

std::vector<double> run(const PretrainSettings& settings, const Device& device, int workers, Reports& reports) {
  Learner learner(learner_options(settings), device);
  LoaderOptions options = training_options();
  options.batch = settings.train.batch;
  options.epochs = settings.train.epochs;
  options.seed = settings.train.seed;
  options.workers = workers;
  const auto data = std::make_shared<GeneratedImages>(26, 12);
  Loader loader(data, make_augmentation(settings.augment, data->info().normalization), options, device);
  MecObjective objective(mec_settings(settings));
  train(learner, objective, loader, settings, {&reports});
  return snapshot(learner);
}

double metric(const StepReport& report, const std::string& name) {
  for (const auto& [key, value] : report.metrics) {
    if (key == name) return value;
  }
  FAIL("no metric " << name);
  return NAN;
}

}  // namespace

TEST_CASE("the same run twice gives the same bits, for any number of loader threads") {
  for (const char* precision : {"f32", "bf16"}) {
    PretrainSettings settings = tiny_settings();
    settings.train.precision = precision;
    Reports first, second, third;
    const auto bits = run(settings, make_cpu_device(), 0, first);
    CHECK(bits == run(settings, make_cpu_device(), 1, second));
    CHECK(bits == run(settings, make_cpu_device(), 3, third));
    REQUIRE(first.steps.size() == 6);  // 26 images, batches of 8: 3 full ones an epoch
    for (std::size_t i = 0; i < 6; ++i) CHECK(first.steps[i].metrics == third.steps[i].metrics);
    settings.train.seed = 4;
    Reports other;
    CHECK(bits != run(settings, make_cpu_device(), 0, other));
  }
}

TEST_CASE("reports come in order, one a step, before their epoch's") {
  Reports reports;
  run(tiny_settings(), make_cpu_device(), 0, reports);
  REQUIRE(reports.steps.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(reports.steps[i].step == static_cast<std::int64_t>(i) + 1);
    CHECK(reports.steps[i].epoch == static_cast<std::int64_t>(i) / 3 + 1);
    CHECK(reports.steps[i].images == 8);
    // Without workers the step waits while images are made.
    CHECK(reports.steps[i].data_seconds > 0);
    CHECK(reports.steps[i].seconds > reports.steps[i].data_seconds);
    CHECK(std::isfinite(metric(reports.steps[i], "loss")));
    CHECK(metric(reports.steps[i], "spectral_norm") > 0);
  }
  CHECK(reports.epochs == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("where a step is done when it returns, it is told before the next begins") {
  // Else several reports come at once, and their times are not those of their steps.
  struct Weights : Observer {
    explicit Weights(const Learner& l) : learner(l) {}
    void on_step(const StepReport&) override {
      const std::vector<float> now = learner.parameters.values().to_vector<float>();
      CHECK(now != last);
      last = now;
    }
    const Learner& learner;
    std::vector<float> last;
  };
  PretrainSettings settings = tiny_settings();
  settings.train.warmup = {.epochs = 0};
  const Device device = make_cpu_device();
  Learner learner(learner_options(settings), device);
  Weights weights(learner);
  const auto data = std::make_shared<GeneratedImages>(26, 12);
  LoaderOptions options = training_options();
  options.batch = settings.train.batch;
  options.epochs = settings.train.epochs;
  Loader loader(data, make_augmentation(settings.augment, data->info().normalization), options, device);
  MecObjective objective(mec_settings(settings));
  weights.last = learner.parameters.values().to_vector<float>();
  train(learner, objective, loader, settings, {&weights});
}

TEST_CASE("a warm-up as long as the run reaches the full learning rate in the last step") {
  PretrainSettings settings = tiny_settings();
  settings.train.warmup = {.epochs = 2};
  const TrainPlan plan(settings, 3);
  CHECK(plan.steps() == 6);
  CHECK(plan.at(0).lr == 0);
  CHECK(plan.at(2).lr == doctest::Approx(0.1 * 2 / 5));
  CHECK(plan.at(5).lr == doctest::Approx(0.1));
  settings.method_settings["lambda_warmup_steps"] = 0;
  settings.train.warmup = {.epochs = 10, .steps = 2};  // steps go before epochs
  const TrainPlan counted(settings, 3);
  CHECK(counted.at(2).lr == doctest::Approx(0.1));
  CHECK(counted.fewest_epochs() == 1);
  settings.train.warmup = {.epochs = 1.5};
  CHECK(TrainPlan(settings, 3).fewest_epochs() == 2);
  settings.method_settings["lambda_warmup_steps"] = 4;
  settings.train.warmup = {.epochs = 0};
  CHECK(TrainPlan(settings, 3).fewest_epochs() == 2);
  CHECK(counted.at(0).ema == doctest::Approx(0.9));
  CHECK(counted.at(5).ema > counted.at(4).ema);
}

TEST_CASE("lambda reaches its full value in the last step of its warm-up, and stays there") {
  const auto lambdas = [](const PretrainSettings& settings) {
    const auto objective = make_objective(settings, make_reference_device());
    std::vector<double> all;
    for (std::int64_t step = 0; step < 6; ++step) {
      objective->before_step(step, 3);
      const Metrics scheduled = objective->scheduled();
      REQUIRE(scheduled.size() == 1);
      CHECK(scheduled[0].first == "lambda");
      all.push_back(scheduled[0].second);
    }
    return all;
  };
  const double lambda = coding_lambda(8, 16, 8);
  PretrainSettings settings = tiny_settings();
  settings.method_settings["lambda_warmup_epochs"] = 2;
  for (const double components : {1, 2}) {
    settings.method_settings["components"] = components;
    for (std::size_t step = 0; step < 6; ++step)
      CHECK(lambdas(settings)[step] == doctest::Approx(lambda / (8 - 7 * static_cast<double>(step) / 5)));
  }
  settings.method_settings["lambda_warmup_steps"] = 2;  // steps go before epochs
  CHECK(lambdas(settings)[0] == doctest::Approx(lambda / 8));
  for (std::size_t step = 1; step < 6; ++step) CHECK(lambdas(settings)[step] == doctest::Approx(lambda));
}

TEST_CASE("adapting keeps the effective norm below one where eps2 alone would not") {
  PretrainSettings settings = tiny_settings();
  settings.method_settings["eps2"] = 0.05;
  settings.method_settings["lambda_warmup_epochs"] = 0;
  Reports reports;
  run(settings, make_cpu_device(), 0, reports);
  for (const StepReport& report : reports.steps) {
    const double norm = metric(report, "spectral_norm");
    CHECK(norm > 1);
    CHECK(metric(report, "eps2_effective") == doctest::Approx(0.05 * norm / 0.9).epsilon(1e-3));
  }
}

TEST_CASE("a series that does not converge stops the run under on_divergence stop, and only then") {
  PretrainSettings settings = tiny_settings();
  settings.method_settings["eps2"] = 0.05;
  settings.method_settings["on_divergence"] = static_cast<double>(OnDivergence::stop);
  settings.train.lr = 0;
  Reports reports;
  CHECK_THROWS_AS(run(settings, make_cpu_device(), 0, reports), NumericalError);
  settings.method_settings["on_divergence"] = static_cast<double>(OnDivergence::warn);
  CHECK_NOTHROW(run(settings, make_cpu_device(), 0, reports));
}

TEST_CASE("a loss that leaves the finite numbers stops the run and says where") {
  PretrainSettings settings = tiny_settings();
  settings.train.lr = 1e30;
  settings.train.warmup = {.epochs = 0};
  Reports reports;
  try {
    run(settings, make_cpu_device(), 0, reports);
    FAIL("nothing was thrown");
  } catch (const NumericalError& error) {
    CHECK(std::string(error.what()).find("step 2 of 6") != std::string::npos);
    CHECK(std::string(error.what()).find("learning rate") != std::string::npos);
  }
  CHECK(reports.epochs.empty());
}

TEST_CASE("settings outside their range are refused by name") {
  const auto refused = [](auto change, const char* name) {
    PretrainSettings settings = tiny_settings();
    change(settings);
    try {
      TrainPlan plan(settings, 3);
      FAIL("accepted: " << name);
    } catch (const ValueError& error) {
      CHECK(std::string(error.what()).find(name) != std::string::npos);
    }
  };
  refused([](auto& s) { s.train.epochs = 0; }, "train.epochs");
  refused([](auto& s) { s.train.batch = 1; }, "train.batch");
  refused([](auto& s) { s.train.lr = INFINITY; }, "train.lr");
  refused([](auto& s) { s.train.ema = 1.5; }, "train.ema");
  refused([](auto& s) { s.train.weight_decay = -1; }, "train.weight_decay");
  refused([](auto& s) { s.train.lr = 1e39; }, "train.lr");  // more than f32 holds
  refused([](auto& s) { s.train.epochs = std::int64_t{1} << 60; },
          "train.epochs is 1152921504606846976");
  refused([](auto& s) { s.train.warmup.epochs = NAN; }, "train.warmup_epochs");
  refused([](auto& s) { s.train.warmup.epochs = 2.5; },
          "train.warmup_epochs is 2.5, longer than the run of train.epochs = 2");
  refused([](auto& s) { s.train.warmup.steps = 7; },
          "train.warmup_steps is 7, longer than the run of 6 steps");
  refused([](auto& s) { s.method_settings["lambda_warmup_epochs"] = 3; }, "mec.lambda_warmup_epochs is 3, longer");
  refused([](auto& s) { s.method_settings["lambda_warmup_steps"] = 7; }, "mec.lambda_warmup_steps is 7");
}

TEST_CASE("a method's own settings outside their range are refused by name, by its objective") {
  const auto refused = [](auto change, const char* words) {
    PretrainSettings settings = tiny_settings();
    change(settings.method_settings);
    CHECK_THROWS_WITH_AS(make_objective(settings, make_reference_device()), doctest::Contains(words), ValueError);
  };
  refused([](auto& own) { own["eps2"] = 0; }, "mec.eps2");
  refused([](auto& own) { own["eps2"] = -1; }, "mec.eps2");
  refused([](auto& own) { own["eps2"] = NAN; }, "mec.eps2");
  refused([](auto& own) { own["eps2"] = 1e-300; }, "eps2 is 1e-300");
  refused([](auto& own) { own["lambda_warmup_factor"] = 0.5; }, "mec.lambda_warmup_factor");
  refused([](auto& own) { own["lambda_warmup_factor"] = 1e300; }, "mec.lambda_warmup_factor is 1e+300");
  refused([](auto& own) { own["order"] = 2.5; }, "mec.order is a whole number, but is 2.5");
  refused([](auto& own) { own["side"] = 3; }, "mec.side lies in [0, 2], but is 3");
  refused([](auto& own) { own["exact"] = 2; }, "mec.exact lies in [0, 1], but is 2");
  refused([](auto& own) { own["queue"] = 8; }, "method mec has no setting queue");
}

TEST_CASE("a warm-up of lambda is not asked for where lambda is constant, nor of other methods") {
  PretrainSettings settings = tiny_settings();
  settings.method_settings["lambda_warmup_epochs"] = 10;
  CHECK_THROWS_AS(TrainPlan(settings, 3), ValueError);
  settings.method_settings["lambda_warmup_factor"] = 1;
  CHECK_NOTHROW(TrainPlan(settings, 3));
  const auto objective = make_objective(settings, make_reference_device());
  objective->before_step(0, 3);
  CHECK(objective->scheduled().at(0).second == doctest::Approx(coding_lambda(8, 16, 8)));
  choose_method(settings, "simsiam");
  CHECK_NOTHROW(TrainPlan(settings, 3));
  CHECK(make_objective(settings, make_reference_device())->scheduled().empty());
}

TEST_CASE("an unknown optimiser, precision, arch or stem is refused by name") {
  const Device device = make_reference_device();
  PretrainSettings settings = tiny_settings();
  settings.train.optimizer = "adam";
  CHECK_THROWS_AS(Learner(learner_options(settings), device), ValueError);
  settings = tiny_settings();
  settings.train.precision = "f16";
  CHECK_THROWS_AS(Learner(learner_options(settings), device), ValueError);
  settings = tiny_settings();
  settings.model.arch = "resnet19";
  CHECK_THROWS_AS(Learner(learner_options(settings), device), ValueError);
  settings = tiny_settings();
  settings.model.stem = "stl";
  CHECK_THROWS_AS(Learner(learner_options(settings), device), ValueError);
}
