// Scores after epochs: when they are taken, who is told, and which encoder is kept.
#include "mec/ssl/run/evaluations.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "mec/distributed/threads.h"
#include "mec/nn/files/weights.h"
#include "mec/ssl/methods/mec.h"
#include "mec/ssl/run/saved_encoder.h"
#include "mec/tensor/io/safetensors.h"
#include "ssl/tiny_run.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kStepsPerEpoch = 3;

// Gives the scores that the test wants, and says which encoders were shown.
struct Scripted : EncoderScorer {
  const std::string& text() const override { return said; }
  std::optional<Metrics> score(const Module& encoder, Dtype dtype, const std::function<bool()>& stops) const override {
    shown.push_back(&encoder);
    dtypes.push_back(dtype);
    if (stops()) return {};
    return Metrics{{"knn", next.at(at++)}, {"probe", 0.25}};
  }
  std::string said = "kNN of 20 images";
  std::vector<double> next;
  mutable std::size_t at = 0;
  mutable std::vector<const Module*> shown;
  mutable std::vector<Dtype> dtypes;
};

struct Told : Observer {
  void before_evaluation(std::int64_t epoch) override { words.push_back(concat("before ", epoch)); }
  void on_evaluation(const Evaluation& evaluation) override {
    words.push_back(concat("scores ", evaluation.epoch, " ", evaluation.step));
    scores = evaluation.scores;
    best_was_there = std::filesystem::exists(best);
  }
  std::filesystem::path best;
  bool best_was_there = false;
  std::vector<std::string> words;
  Metrics scores;
};

using Words = std::vector<std::string>;

struct Fixture {
  TempFolder folder;
  Device device = make_cpu_device();
  PretrainSettings settings = tiny_settings();
  bool with_teacher = false;
  std::unique_ptr<Learner> learner;
  Told told;
  std::vector<std::string> notes;
  Scripted* scorer = nullptr;  // of the latest evaluations()
  int stop_at = 0;             // the number of the question that is answered so
  std::vector<TrainPhase> asked;

  Fixture() {
    settings.train.epochs = 6;
    settings.eval.every_epochs = 1;
  }

  Evaluations evaluations(std::vector<double> scores, const std::string& said = "kNN of 20 images") {
    learner = std::make_unique<Learner>(learner_options(settings, Dtype::f32, with_teacher), device);
    auto scripted = std::make_unique<Scripted>();
    scripted->next = std::move(scores);
    scripted->said = said;
    scorer = scripted.get();
    const auto stops = [this](TrainPhase next) {
      asked.push_back(next);
      return next == TrainPhase::evaluation && --stop_at == 0;
    };
    return Evaluations(settings, kStepsPerEpoch, std::move(scripted),
                       {.encoder = learner->online.encoder.config, .image_size = 10, .mean = {0.5}, .std = {0.25}},
                       {.folder = out(), .observers = {&told}, .stop_requested = stops, .note = [this](const std::string& n) {
                          notes.push_back(n);
                        }});
  }
  std::filesystem::path out() const { return folder / "run"; }
  std::filesystem::path best() const { return out() / kBestEncoderFile; }
  std::string best_epoch() const { return read_safetensors_metadata(best()).at("epoch"); }
  // Each epoch changes the encoder.
  void end_epoch(Evaluations& evaluations, std::int64_t epoch) {
    buffers_of(learner->online)[0].tensor.fill(static_cast<double>(epoch));
    evaluations.on_epoch(epoch, *learner);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "encoders are scored after every so many epochs, and after the last") {
  const auto scored = [&](std::int64_t every) {
    std::vector<std::int64_t> epochs;
    settings.eval.every_epochs = every;
    for (std::int64_t epoch = 1; epoch <= 6; ++epoch) {
      if (is_scored(settings.eval, epoch, 6)) epochs.push_back(epoch);
    }
    return epochs;
  };
  CHECK(scored(0).empty());
  CHECK(scored(1) == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
  CHECK(scored(4) == std::vector<std::int64_t>{4, 6});
  CHECK(scored(100) == std::vector<std::int64_t>{6});
  std::filesystem::create_directory(out());
  settings.eval.every_epochs = 4;
  Evaluations e = evaluations({0.5, 0.5});
  for (std::int64_t epoch = 1; epoch <= 6; ++epoch) end_epoch(e, epoch);
  CHECK(told.words == Words{"before 4", "scores 4 12", "before 6", "scores 6 18"});
}

TEST_CASE_FIXTURE(Fixture, "the student is scored, and the averaged teacher where there is one, in the run's precision") {
  std::filesystem::create_directory(out());
  Evaluations without = evaluations({0.5});
  end_epoch(without, 1);
  CHECK(scorer->shown == std::vector<const Module*>{&learner->online.encoder});
  CHECK(told.scores == Metrics{{"knn", 0.5}, {"probe", 0.25}});
  with_teacher = true;
  settings.train.precision = "bf16";
  Evaluations with = evaluations({0.25, 0.75});
  end_epoch(with, 1);
  CHECK(scorer->shown == std::vector<const Module*>{&learner->online.encoder, &learner->teacher->network.encoder});
  CHECK(scorer->dtypes == std::vector<Dtype>{Dtype::bf16, Dtype::bf16});
  CHECK(told.scores == Metrics{{"knn", 0.25}, {"probe", 0.25}, {"teacher_knn", 0.75}, {"teacher_probe", 0.25}});
}

TEST_CASE_FIXTURE(Fixture, "the student of the best epoch is kept, of equal ones the first, and says what it is") {
  std::filesystem::create_directory(out());
  with_teacher = true;
  // Student and teacher in turn: the teacher's scores choose nothing.
  Evaluations e = evaluations({0.1, 0.9, 0.3, 0.8, 0.3, 0.7, 0.2, 0.99});
  const std::vector<std::string> best_after{"1", "2", "2", "2"};
  told.best = best();
  for (std::int64_t epoch = 1; epoch <= 4; ++epoch) {
    end_epoch(e, epoch);
    CHECK(best_epoch() == best_after[static_cast<std::size_t>(epoch) - 1]);
    CHECK(told.best_was_there);  // a line of metrics says that its encoder was kept
  }
  const auto metadata = read_safetensors_metadata(best());
  CHECK(metadata.at("step") == "6");
  CHECK(metadata.at("knn") == "0.3");
  CHECK(metadata.at("teacher_knn") == "0.8");
  CHECK(metadata.at("scored_by") == "kNN of 20 images");
  CHECK(e.finish() == concat("best epoch 2, kNN 30.00 %: ", best().string()));
  // It is an encoder like any other, with the statistics of its epoch.
  const SavedEncoder saved(best());
  CHECK(saved.info().image_size == 10);
  ResNet encoder = saved.load(device);
  CHECK(buffers_of(encoder)[0].tensor.to_vector<float>()[0] == 2);
}

TEST_CASE_FIXTURE(Fixture, "without kNN the probe says which is the best") {
  std::filesystem::create_directory(out());
  settings.eval.knn = false;
  Evaluations e = evaluations({0.5});
  end_epoch(e, 1);
  Evaluations again = evaluations({});  // of a run that goes on
  CHECK(again.finish() == concat("best epoch 1, probe 25.00 %: ", best().string()));
}

TEST_CASE_FIXTURE(Fixture, "a run that goes on knows the best so far, unless it is scored in another way or cannot be read") {
  std::filesystem::create_directory(out());
  {
    Evaluations e = evaluations({0.1 + 0.2});  // not a short number
    end_epoch(e, 1);
    CHECK(best_epoch() == "1");
  }
  Evaluations same = evaluations({0.1 + 0.2, 0.31});
  end_epoch(same, 2);
  CHECK(best_epoch() == "1");
  end_epoch(same, 3);
  CHECK(best_epoch() == "3");
  Evaluations other = evaluations({0.05}, "kNN of 10 images");
  end_epoch(other, 4);
  CHECK(best_epoch() == "4");
  write_bytes(best(), "damaged");
  Evaluations after = evaluations({0.01}, "kNN of 10 images");
  CHECK(after.finish().empty());
  end_epoch(after, 5);
  CHECK(best_epoch() == "5");
}

TEST_CASE_FIXTURE(Fixture, "a best encoder that cannot be written is told once, and tried until it is") {
  Evaluations e = evaluations({0.1, 0.2, 0.15, 0.3, 0.4});
  end_epoch(e, 1);  // there is no such folder
  end_epoch(e, 2);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].find("encoder-best.safetensors") != std::string::npos);
  CHECK(notes[0].ends_with("; training goes on, and it is tried again"));
  CHECK(told.words.size() == 4);  // its scores are told all the same
  std::filesystem::create_directory(out());
  end_epoch(e, 3);  // not as good as the second, which is written
  CHECK(best_epoch() == "2");
  ResNet written(learner->online.encoder.config, device);
  load_weights(best(), written);
  CHECK(buffers_of(written)[0].tensor.to_vector<float>()[0] == 2);  // as end_epoch() filled it then
  std::filesystem::remove_all(out());
  end_epoch(e, 4);
  CHECK(notes.size() == 2);
  CHECK_THROWS_WITH_AS(e.finish(), doctest::Contains("the best encoder, of epoch 4, is not written: "), IoError);
  std::filesystem::create_directory(out());
  CHECK(e.finish().starts_with("best epoch 4, kNN 30.00 %"));
  CHECK(best_epoch() == "4");
}

TEST_CASE_FIXTURE(Fixture, "an encoder without a score is told once, and is never the best") {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::filesystem::create_directory(out());
  Evaluations e = evaluations({kNone, kNone, 0.2, kNone});
  end_epoch(e, 1);
  end_epoch(e, 2);
  CHECK_FALSE(std::filesystem::exists(best()));
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].starts_with("after epoch 1 features of the encoder are not finite"));
  end_epoch(e, 3);
  end_epoch(e, 4);
  CHECK(best_epoch() == "3");
  CHECK(notes.size() == 2);
  CHECK(told.words.size() == 8);
}

TEST_CASE_FIXTURE(Fixture, "a folder whose best encoder is not that of its best score says so") {
  std::filesystem::create_directory(out());
  const auto missing = [&] { return missing_best(out(), settings); };
  CHECK(missing().empty());  // nothing was scored
  const auto lines = [&](const std::vector<double>& scores) {
    std::string text = "{\"step\":1,\"epoch\":1,\"loss\":-0.5}\n";
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const std::string score = std::isnan(scores[i]) ? "null" : std::to_string(scores[i]);
      text += concat("{\"epoch\":", i + 1, ",\"step\":", 3 * (i + 1), ",\"knn\":", score, ",\"probe\":0.9}\n");
    }
    write_bytes(out() / "metrics.jsonl", text);
  };
  lines({0.1, 0.3, 0.3, NAN});
  CHECK(missing() == concat("epoch 2 had the best score, but ", best().string(), " is not there"));
  Evaluations e = evaluations({0.3});
  end_epoch(e, 2);
  CHECK(missing().empty());
  lines({0.1, 0.3, 0.4});
  CHECK(missing() == concat("epoch 3 had the best score, but ", best().string(), " is that of epoch 2"));
  lines({0.1, 0.4, 0.2});
  CHECK(missing().empty());
  lines({0.4, 0.1});  // scored in another way since
  CHECK(missing().empty());
  write_bytes(best(), "damaged");
  CHECK(missing().ends_with(" cannot be read"));
}

TEST_CASE_FIXTURE(Fixture, "an evaluation that is asked to stop, at the student's or the teacher's, leaves nothing") {
  std::filesystem::create_directory(out());
  with_teacher = true;
  for (const int question : {1, 2}) {
    stop_at = question;
    asked.clear();
    told.words.clear();
    Evaluations e = evaluations({0.5, 0.5});
    end_epoch(e, 1);
    CHECK(e.gave_up());
    CHECK(told.words == Words{"before 1"});
    CHECK_FALSE(std::filesystem::exists(best()));
    CHECK(asked.size() == static_cast<std::size_t>(question) + 1);
    CHECK(asked.back() == TrainPhase::step);  // files are written next: a signal lets them be finished
  }
  stop_at = 0;
  Evaluations e = evaluations({0.5, 0.5});
  end_epoch(e, 1);
  CHECK_FALSE(e.gave_up());
}

TEST_CASE("several ranks score the first one's statistics of batch norm") {
  run_ranks(3, [](const CommunicatorPtr& ranks) {
    LearnerOptions options = learner_options(tiny_settings(), Dtype::f32, true);
    options.ranks = ranks;
    Learner learner(options, make_cpu_device());
    const Tensor student = buffers_of(learner.online.encoder)[0].tensor;
    const Tensor teacher = buffers_of(learner.teacher->network.encoder)[0].tensor;
    student.fill(5 + ranks->rank());
    teacher.fill(8 + ranks->rank());
    Scripted scorer;
    scorer.next = {0.5, 0.5};
    check<ValueError>(score_encoders(scorer, learner, {}).has_value(), "both are scored");
    check<ValueError>(student.to_vector<float>()[0] == 5 && teacher.to_vector<float>()[0] == 8, "as the first rank has them");
  });
}

TEST_CASE("a score as people read it") {
  CHECK(score_text("knn", 0.86921) == "kNN 86.92 %");
  CHECK(score_text("teacher_knn", 1) == "teacher's kNN 100.00 %");
  CHECK(score_text("probe", 0.5) == "probe 50.00 %");
  CHECK(score_text("teacher_probe", 0) == "teacher's probe 0.00 %");
  CHECK(score_text("knn", NAN) == "no kNN");
  CHECK(score_text("teacher_probe", NAN) == "no teacher's probe");
}
