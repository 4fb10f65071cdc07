// What is measured and said of a run's health, from planted states: no test waits for a slow one.
#include "mec/ssl/run/health.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mec/ssl/run/effective_rank.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kEvery = 20;

StepReport report_of(std::int64_t step, const Metrics& metrics, double seconds, double data_seconds) {
  StepReport report;
  report.step = step;
  report.images = 8;
  report.scheduled = {{"lambda", 2.0}};
  report.metrics = metrics;
  report.seconds = seconds;
  report.data_seconds = data_seconds;
  return report;
}

// Tells Health of steps as a run would.
struct Watched {
  explicit Watched(PretrainSettings s = tiny_settings())
      : settings(every(std::move(s))), health(settings, [this](const std::string& line) { notes.push_back(line); }) {}
  static PretrainSettings every(PretrainSettings settings) {
    settings.train.health_steps = kEvery;
    return settings;
  }
  // kEvery steps; the last one looks.
  void steps(const Metrics& metrics, double seconds = 1, double data_seconds = 0) {
    for (std::int64_t i = 0; i < kEvery; ++i) health.on_step(report_of(++step, metrics, seconds, data_seconds));
  }

  PretrainSettings settings;
  std::vector<std::string> notes;
  Health health;
  std::int64_t step = 0;
};

// Keeps what each report has.
struct Figures : Observer {
  void on_step(const StepReport& report) override { metrics.push_back(report.metrics); }
  std::vector<Metrics> metrics;
};

std::vector<Metrics> figures_of(PretrainSettings settings, const Device& device) {
  settings.train.epochs = 3;
  settings.train.health_steps = 2;
  const auto objective = make_objective(settings, device);
  Learner learner(learner_options(settings, Dtype::f32, objective->ema_teacher()), device);
  const auto data = std::make_shared<GeneratedImages>(26, 12);
  Loader loader(data, make_augmentation(settings.augment, data->info().normalization),
                {.batch = 8, .epochs = 3, .shuffle = true, .drop_last = true, .seed = 3}, device);
  Health health(settings, {});
  Figures figures;
  train(learner, *objective, loader, settings, {&figures, &health});
  return figures.metrics;
}

}  // namespace

TEST_CASE("what is well is not spoken of") {
  Watched run;
  for (int look = 0; look < 10; ++look)
    run.steps({{"loss", 1}, {"spectral_norm", 0.7}, {"embedding_std", 0.9}, {"effective_rank", 5}}, 1, 0.1);
  CHECK(run.notes.empty());
}

TEST_CASE("embeddings that collapse are told once, and again only after they had recovered") {
  const Metrics collapsed{{"loss", 1}, {"effective_rank", 1.1}}, uncertain{{"loss", 1}, {"effective_rank", 1.2}},
      sound{{"loss", 1}, {"effective_rank", 5}};
  Watched run;  // at most 8 rows: the bounds are 1.14 and 1.28
  for (const Metrics& metrics : {sound, uncertain, collapsed, collapsed, uncertain, collapsed}) run.steps(metrics);
  REQUIRE(run.notes.size() == 1);
  CHECK(run.notes[0].find("step 60: the effective rank of the embeddings is 1.1 of at most 8: the embeddings collapse; ") == 0);
  CHECK(run.notes[0].find("train.lr") != std::string::npos);
  run.steps(sound);
  run.steps(collapsed);
  CHECK(run.notes.size() == 2);
  run.steps({{"loss", 1}, {"effective_rank", 0}});  // all of them zero
  CHECK(run.notes.size() == 2);
}

TEST_CASE("embeddings that are nearly the same are told by their spread") {
  Watched run(tiny_settings_of("vicreg"));
  run.steps({{"loss", 1}, {"embedding_std", 0.21}});
  CHECK(run.notes.empty());
  for (int look = 0; look < 3; ++look) run.steps({{"loss", 1}, {"embedding_std", 0.05}});
  REQUIRE(run.notes.size() == 1);
  CHECK(run.notes[0].find("embedding_std is 0.05") != std::string::npos);
}

TEST_CASE("a series near divergence is told with an eps2 that would do") {
  Watched run;
  run.steps({{"loss", 1}, {"spectral_norm", 0.89}});
  CHECK(run.notes.empty());
  for (int look = 0; look < 3; ++look) run.steps({{"loss", 1}, {"spectral_norm", 1.8}});
  REQUIRE(run.notes.size() == 1);
  // d = 16, m = 8 and λ = 2: ε² is 1, and 2 makes the norm 0.9.
  CHECK(run.notes[0].find("the norm of MEC's series is 1.8, and it diverges at 1; raise mec.eps2 to 2 or more") !=
        std::string::npos);
  for (const auto& [name, value] : {std::pair{"order", 1.0}, {"exact", 1.0}}) {  // no series
    PretrainSettings settings = tiny_settings();
    settings.method_settings[name] = value;
    Watched other(settings);
    other.steps({{"loss", 1}, {"spectral_norm", 1.8}});
    CHECK(other.notes.empty());
  }
}

TEST_CASE("a run that waits for its images is told which setting to raise") {
  Watched run;
  run.steps({{"loss", 1}}, 1, 0.19);
  CHECK(run.notes.empty());
  for (const double waiting : {0.43, 0.15, 0.3}) run.steps({{"loss", 1}}, 1, waiting);
  REQUIRE(run.notes.size() == 1);
  CHECK(run.notes[0].find("in 43 % of the last 20 steps' time they waited for images; raise data.workers above 1") == 0);
  run.steps({{"loss", 1}}, 1, 0.05);
  run.steps({{"loss", 1}}, 1, 0.3);
  CHECK(run.notes.size() == 2);
}

TEST_CASE("a run that slows down is told its rate and its own median, though single steps are slow") {
  Watched run;
  for (int look = 0; look < 3; ++look) run.steps({{"loss", 1}}, 0.5);
  // As where an epoch ends with an evaluation.
  for (int slow = 0; slow < 3; ++slow) run.health.on_step(report_of(61, {{"loss", 1}}, 100, 0));
  run.steps({{"loss", 1}}, 0.5);
  CHECK(run.notes.empty());
  run.steps({{"loss", 1}}, 0.7);  // little by little
  for (int look = 0; look < 3; ++look) run.steps({{"loss", 1}}, 1);
  REQUIRE(run.notes.size() == 1);
  CHECK(run.notes[0].find("the last 20 steps trained on 8 images a second, and the run's median is 16") == 0);
  run.steps({{"loss", 1}}, 0.5);
  run.steps({{"loss", 1}}, 1);
  CHECK(run.notes.size() == 2);
}

TEST_CASE("a few steps say nothing of times, and a skipped one nothing of embeddings") {
  PretrainSettings settings = tiny_settings();
  settings.train.health_steps = 1;
  std::vector<std::string> notes;
  Health health(settings, [&](const std::string& line) { notes.push_back(line); });
  StepReport report = report_of(1, {{"loss", NAN}, {"effective_rank", 0}}, 1, 1);
  report.skipped = true;
  for (; report.step < kEvery; ++report.step) health.on_step(report);
  CHECK(notes.empty());
  health.on_step(report);
  CHECK(notes.size() == 1);
}

TEST_CASE("a run that is not to be looked at is not") {
  PretrainSettings settings = tiny_settings();
  settings.train.health_steps = 0;
  Health health(settings, [](const std::string& line) { FAIL(line); });
  CHECK_FALSE(TrainPlan(settings, 100).measures(100));
  health.on_step(report_of(100, {{"loss", 1}, {"effective_rank", 1}}, 1, 1));
  settings.train.health_steps = -1;
  CHECK_THROWS_WITH_AS(Health(settings, {}), doctest::Contains("train.health_steps"), ValueError);
}

TEST_CASE("the rank joins the metrics of its steps, in the same bits where steps are replayed") {
  for (const char* method : {"mec", "simclr", "swav"}) {
    CAPTURE(method);
    const PretrainSettings settings = tiny_settings_of(method);
    const auto eager = figures_of(settings, make_cpu_device());
    REQUIRE(eager.size() == 9);
    for (std::size_t i = 0; i < eager.size(); ++i) {
      CHECK((eager[i].back().first == "effective_rank") == (i % 2 == 1));
      if (i % 2 == 1) CHECK(eager[i].back().second > 1);
    }
    CHECK(figures_of(settings, std::make_shared<RecordingBackend>(make_cpu_device())) == eager);
  }
}

TEST_CASE("the rank is that of the first view's projections") {
  const PretrainSettings settings = tiny_settings();
  const Device device = make_cpu_device();
  Learner learner(learner_options(settings), device), same(learner_options(settings), device);
  const auto objective = make_objective(settings, device);
  const StepScalars scalars(Dtype::f32, device);
  std::vector<Tensor> views;
  for (std::uint64_t view = 0; view < 2; ++view) views.push_back(random({8, 10, 10, 1}, Dtype::f32, device, {.seed = view}));
  const double expected = effective_rank(embed_student(same, views[0]).projection);
  CHECK(effective_rank(training_step(learner, *objective, views, scalars).projection) == expected);
}
