// Scores while a run trains: the figures of mec eval, without a bit of training changed, and the
// best encoder beside the last.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "cli/resumed_run.h"
#include "data/fixtures.h"
#include "mec/distributed/threads.h"
#include "mec/eval/encoder_scorer.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/train_run.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/safetensors.h"

using namespace mec;
using namespace mec::test;

namespace {

using Json = nlohmann::json;

const std::vector<std::string> kScored{"eval.every_epochs=1", "eval.probe=true"};

// The lines of scores, and all others.
struct Lines {
  std::vector<Json> scores;
  std::string others;
};
Lines lines_of(const std::filesystem::path& metrics) {
  Lines lines;
  std::istringstream file(read_bytes(metrics));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("{\"epoch\":")) lines.scores.push_back(Json::parse(line));
    else lines.others += line + '\n';
  }
  return lines;
}

struct Fixture : ResumeFixture {
  Json eval(const std::vector<std::string>& source) const {
    std::vector<std::string> arguments{"eval", "table", "--json", "--no-baselines", "--threads", "1", "--iterations", "100"};
    arguments.insert(arguments.end(), source.begin(), source.end());
    return Json::parse(run(arguments).out).at("rows").at(0);
  }
  std::int64_t best_epoch(const std::string& out) const {
    return std::stoll(read_safetensors_metadata(at(out + "/encoder-best.safetensors")).at("epoch"));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "the scores are those of mec eval, for the student and the averaged teacher, limited and in bf16") {
  for (const auto& [limit, precision] : {std::pair("0", "f32"), std::pair("50", "f32"), std::pair("0", "bf16")}) {
    CAPTURE(limit);
    CAPTURE(precision);
    std::filesystem::remove_all(at("run"));
    const std::string of = concat("limit=", limit);
    const auto result = run(
        start("run", "mec", {"eval.every_epochs=3", "eval.probe=true", "eval." + of, concat("train.precision=", precision)}));
    const Lines lines = lines_of(at("run/metrics.jsonl"));
    REQUIRE(lines.scores.size() == 2);
    CHECK(lines.scores[0].at("epoch") == 3);
    const Json& last = lines.scores[1];
    CHECK(last.at("epoch") == 4);
    CHECK(last.at("step") == 40);
    const Json student = eval({at("run"), "--limit", limit, "--precision", precision});
    CHECK(last.at("knn") == student.at("knn_accuracy"));
    CHECK(last.at("probe") == student.at("linear_accuracy"));
    const Json teacher = eval({at("run/checkpoint-40.safetensors"),
                               "--prefix",
                               "teacher.encoder.",
                               "--arch",
                               "resnet10",
                               "--stem",
                               "cifar",
                               "--width",
                               "4",
                               "--channels",
                               "1",
                               "--size",
                               "8",
                               "--normalization",
                               "mnist",
                               "--data",
                               at("data"),
                               "--limit",
                               limit,
                               "--precision",
                               precision});
    CHECK(last.at("teacher_knn") == teacher.at("knn_accuracy"));
    CHECK(last.at("teacher_probe") == teacher.at("linear_accuracy"));
    // And those of the file that is kept.
    const std::int64_t best = best_epoch("run");
    const Json& kept = lines.scores[best == 3 ? 0 : 1];
    CHECK(kept.at("knn") == std::max(lines.scores[0].at("knn"), last.at("knn")));
    const Json of_best =
        eval({at("run/encoder-best.safetensors"), "--data", at("data"), "--limit", limit, "--precision", precision});
    CHECK(of_best.at("knn_accuracy") == kept.at("knn"));
    const std::string info = run({"info", at("run")}).out;
    CHECK(info.find(concat("\nweights (encoder-best.safetensors)\narch: resnet10\nepoch: ", best, "\n")) != std::string::npos);
    CHECK(info.find(concat("\nlast scores (metrics.jsonl)\n{\"epoch\":4,\"step\":40,\"knn\":")) != std::string::npos);
    CHECK(info.find("\nlast step (metrics.jsonl)\n{\"step\":40,") != std::string::npos);
    char line[64];
    std::snprintf(line, sizeof line, "best epoch %d, kNN %.2f %%: ", static_cast<int>(best),
                  100 * kept.at("knn").get<double>());
    CHECK(result.out.find(concat(line, at("run/encoder-best.safetensors"), "\nwrote ")) != std::string::npos);
    const int images = std::string(limit) == "0" ? 160 : 50;
    CHECK(result.out.find(concat(", linear probe (100 steps) of 20 test images by ", images, " training images\n")) !=
          std::string::npos);
  }
}

TEST_CASE_FIXTURE(Fixture, "scores change no bit of training, with an averaged teacher and without") {
  for (const std::string method : {"mec", "simsiam", "moco-v2"}) {
    CAPTURE(method);
    for (const char* name : {"plain", "scored"}) std::filesystem::remove_all(at(name));
    run(start("plain", method));
    run(start("scored", method, kScored));
    // The checkpoint has weights, running statistics, momentum, teacher and queue.
    for (const char* file : {"encoder.safetensors", "checkpoint-40.safetensors"})
      CHECK(read_bytes(folder / "scored" / file) == read_bytes(folder / "plain" / file));
    const Lines lines = lines_of(at("scored/metrics.jsonl"));
    CHECK(lines.others == read_bytes(folder / "plain/metrics.jsonl"));
    CHECK(lines.scores.size() == 4);
    CHECK(lines.scores[0].contains("teacher_knn") == (method != "simsiam"));
    run(start("again", method, kScored));
    check_same("again", "scored");
    std::filesystem::remove_all(at("again"));
  }
}

// A device that replays its steps keeps their tensors.
TEST_CASE_FIXTURE(Fixture, "scores between replayed steps change no bit of them, and are those between eager ones") {
  PretrainSettings settings = read_settings(config);
  const auto train = [&](const std::string& name, bool scored, const Device& device) {
    settings.eval.every_epochs = scored ? 1 : 0;
    settings.train.epochs = 4;
    train_run(settings, device, at(name), {.make_scorer = make_encoder_scorer, .computed_on = "a test"});
  };
  train("replayed", true, std::make_shared<RecordingBackend>(make_cpu_device({.threads = 1})));
  train("plain", false, std::make_shared<RecordingBackend>(make_cpu_device({.threads = 1})));
  train("eager", true, make_cpu_device({.threads = 1}));
  check_same("replayed", "eager");
  CHECK(read_bytes(folder / "replayed/checkpoint-8.safetensors") == read_bytes(folder / "plain/checkpoint-8.safetensors"));
}

TEST_CASE_FIXTURE(Fixture, "a run with scores that is killed again and again leaves the bytes of one that was not") {
  for (const std::string method : {"mec", "simsiam"}) {
    CAPTURE(method);
    std::filesystem::remove_all(at("whole"));
    std::filesystem::remove_all(at("run"));
    const auto began = std::chrono::steady_clock::now();
    REQUIRE(run_until(start("whole", method, kScored), [] { return false; }));
    const auto whole = std::chrono::steady_clock::now() - began;
    int kills = 0;
    for (bool ended = false; !ended; ++kills) {
      const auto until = std::chrono::steady_clock::now() + whole * (3 + kills) / 11;
      ended = run_until(go("run", method, kScored), [&] { return std::chrono::steady_clock::now() > until; });
      REQUIRE(kills < 100);
    }
    check_same("run", "whole");
  }
}

// Runs of the library that stop after a step, before the scores that are due there or after them.
struct Stopping : Fixture {
  Device device = make_cpu_device({.threads = 1});
  PretrainSettings settings = read_settings(config);
  std::string log;

  Stopping() {
    settings.train.epochs = 4;
    settings.eval.every_epochs = 2;
  }
  RunEnd train(const std::string& out, std::int64_t last = 1000, bool gives_up = false) {
    log.clear();
    std::int64_t waits = 0;
    const auto stops = [&](TrainPhase next) {
      waits += next == TrainPhase::loading ? 1 : 0;
      return next == TrainPhase::evaluation ? gives_up && waits == last : next == TrainPhase::loading && waits > last;
    };
    return train_run(settings, device, at(out),
                     {.resume = Resume::same_settings,
                      .stop_requested = stops,
                      .make_scorer = make_encoder_scorer,
                      .log = [this](const std::string& line) { log += line + '\n'; }});
  }
  // The first lines of a file of the run.
  void cut(const std::string& name, std::int64_t lines) const {
    const std::string text = read_bytes(folder / "run" / name);
    std::size_t end = 0;
    for (std::int64_t i = 0; i < lines; ++i) end = text.find('\n', end) + 1;
    write_bytes(folder / "run" / name, text.substr(0, end));
  }
};

TEST_CASE_FIXTURE(Stopping, "a run that was stopped before its scores makes up for them first, at its end too") {
  CHECK(train("whole").complete);
  for (const std::int64_t step : {20, 30, 40}) {
    CAPTURE(step);
    std::filesystem::remove_all(at("run"));
    const RunEnd end = train("run", step, true);
    CHECK_FALSE(end.complete);
    CHECK(end.goes_on_after == step);
    CHECK(end.steps == step);
    CHECK(newest_checkpoint_in(at("run")).step == step);
    CHECK(lines_of(at("run/metrics.jsonl")).scores.size() == (step == 20 ? 0 : 1));
    CHECK(train("run").complete);
    CHECK(log.find("ended already") == std::string::npos);
    check_same("run", "whole");
  }
  CHECK_FALSE(train("run").trained);
}

// Else a signal would end this process within seconds, and the launcher the others.
TEST_CASE_FIXTURE(Stopping, "a process waits for the first one's neighbours and probe as it waits within a step") {
  settings.train.epochs = 2;
  std::vector<TrainPhase> phases;  // of the second of two
  run_ranks(2, [&](const CommunicatorPtr& ranks) {
    const auto at_phase = [&](TrainPhase next) {
      if (ranks->rank() == 1) phases.push_back(next);
      return false;
    };
    train_run(settings, make_cpu_device({.threads = 1}), at("run"),
              {.ranks = ranks, .stop_requested = at_phase, .make_scorer = make_encoder_scorer});
  });
  // Images that classify, test images, the first one's work: of the student, and of the teacher.
  const std::vector<TrainPhase> one{TrainPhase::evaluation, TrainPhase::evaluation, TrainPhase::step};
  std::vector<TrainPhase> both = one;
  both.insert(both.end(), one.begin(), one.end());
  CHECK(std::ranges::count(phases, TrainPhase::evaluation) == 4);
  CHECK_FALSE(std::ranges::search(phases, both).empty());
}

TEST_CASE_FIXTURE(Stopping, "scores count where both files have their lines, and are taken again where one was not written") {
  CHECK(train("whole").complete);
  std::filesystem::remove_all(at("run"));
  train("run", 20);
  REQUIRE(lines_of(at("run/metrics.jsonl")).scores.size() == 1);
  std::filesystem::rename(at("run"), at("scored"));
  for (const auto& [metrics, timings] : {std::pair(21, 21), std::pair(21, 20), std::pair(20, 21), std::pair(20, 20)}) {
    CAPTURE(metrics);
    CAPTURE(timings);
    std::filesystem::copy(at("scored"), at("run"));
    cut("metrics.jsonl", metrics);
    cut("timings.jsonl", timings);
    // The best encoder comes before the lines: it may be there without them.
    if (std::min(metrics, timings) == 20 && metrics == timings) std::filesystem::remove(at("run/encoder-best.safetensors"));
    std::vector<std::int64_t> scored;
    struct Scored : Observer {
      void on_evaluation(const Evaluation& evaluation) override { steps.push_back(evaluation.step); }
      std::vector<std::int64_t> steps;
    } seen;
    train_run(settings, device, at("run"),
              {.observers = {&seen}, .resume = Resume::same_settings, .make_scorer = make_encoder_scorer});
    CHECK(seen.steps.size() == (std::min(metrics, timings) == 21 ? 1 : 2));
    check_same("run", "whole");
    std::filesystem::remove_all(at("run"));
  }
}

TEST_CASE_FIXTURE(Fixture, "a best encoder of an epoch that the run goes back behind is dropped") {
  run(start("run", "mec", {"eval.every_epochs=1", "train.checkpoints_kept=9"}));
  for (const int step : {20, 30, 40}) std::filesystem::remove(at(concat("run/checkpoint-", step, ".safetensors")));
  const std::string path = at("run/encoder-best.safetensors");
  SafetensorsFile file = read_safetensors(path, make_reference_device());
  file.metadata["step"] = "20";
  file.metadata["knn"] = "1";  // no later one can be better
  write_safetensors(path, file);
  // Other settings of training: what comes is not what came.
  std::vector<std::string> other = start("run", "mec", {"eval.every_epochs=1", "train.lr=0.01"});
  other.emplace_back("--resume-with-changes");
  run(other);
  CHECK(best_epoch("run") >= 2);
  CHECK(read_safetensors_metadata(path).at("knn") != "1");
}

TEST_CASE_FIXTURE(Fixture, "scores may begin, end or change where a run goes on, and the checkpoint stays as it is") {
  run(start("whole", "mec"));
  stop_early();
  run(go("run", "mec", {"eval.every_epochs=2", "eval.limit=50"}));
  CHECK(lines_of(at("run/metrics.jsonl")).others == read_bytes(folder / "whole/metrics.jsonl"));
  CHECK(read_bytes(folder / "run/checkpoint-40.safetensors") == read_bytes(folder / "whole/checkpoint-40.safetensors"));
  // A run that is complete is scored once, at its end.
  CHECK(run(go("whole", "mec", {"eval.every_epochs=3"})).out.find("\nbest epoch 4, kNN ") != std::string::npos);
  REQUIRE(lines_of(at("whole/metrics.jsonl")).scores.size() == 1);
  CHECK(lines_of(at("whole/metrics.jsonl")).scores[0].at("step") == 40);
  CHECK(run(go("whole", "mec", {"eval.every_epochs=3"})).out.find("training has ended already") != std::string::npos);
  CHECK(run(go("whole", "mec")).out.find("training has ended already") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "what cannot be scored is an error before training, which names the setting") {
  const auto refuses = [&](const std::string& why, const std::vector<std::string>& settings) {
    check_fails(folder, 1, why, start("new", "mec", settings));
  };
  refuses("eval.every_epochs is 1, but there is nothing to score: set eval.knn or eval.probe, or eval.every_epochs=0",
          {"eval.every_epochs=1", "eval.knn=false"});
  refuses(
      "eval.knn: 20 neighbours vote, of 19 training images (eval.limit is 19); raise eval.limit, or set "
      "eval.knn=false",
      {"eval.every_epochs=1", "eval.limit=19"});
  refuses("eval.every_epochs is at least 0, but is -1", {"eval.every_epochs=-1"});
  std::filesystem::create_directories(at("pictures"));
  for (int i = 0; i < 160; ++i) {
    write_bytes(folder / "pictures" / concat(100 + i, ".png"),
                make_png(8, 8, random_image({8, 8}, 1, static_cast<std::uint64_t>(i)).pixels));
  }
  refuses(
      "eval.every_epochs is 2, which scores encoders by labels; classes: accuracy needs labels, but the training images "
      "have none; put each class into a sub-folder of its name; or set eval.every_epochs=0",
      {"eval.every_epochs=2", "data.path=" + at("pictures")});
  // One class is enough for kNN alone.
  std::filesystem::create_directories(at("one"));
  std::filesystem::rename(at("pictures"), at("one/a"));
  refuses("eval.probe: two classes or more are needed, but all training images are of one; set eval.probe=false",
          {"eval.every_epochs=1", "eval.probe=true", "data.path=" + at("one")});
  run(start("new", "mec", {"eval.every_epochs=1", "data.path=" + at("one")}));
  // A program that gives the library nothing to score with.
  PretrainSettings settings = read_settings(config);
  settings.eval.every_epochs = 1;
  CHECK_THROWS_WITH_AS(train_run(settings, make_cpu_device(), at("other")), doctest::Contains("RunOptions::make_scorer"),
                       ValueError);
  CHECK_FALSE(std::filesystem::exists(at("other")));
}

TEST_CASE_FIXTURE(Fixture, "without a test split every fifth training image is held out, which is said") {
  std::filesystem::remove(at("data/t10k-images-idx3-ubyte"));
  check_fails(folder, 1, "t10k-images-idx3-ubyte", start("run", "mec", kScored));  // half a split is a mistake
  std::filesystem::remove(at("data/t10k-labels-idx1-ubyte"));
  const ProgramResult result = run(start("run", "mec", kScored));
  CHECK(result.err == concat("mec: ", at("data"),
                             ": there is no t10k-images-idx3-ubyte, plain or .gz; encoders are scored on every fifth training "
                             "image, which training has seen\n"));
  CHECK(result.out.find(" of 32 held-out training images by 128 training images\n") != std::string::npos);
  CHECK(lines_of(at("run/metrics.jsonl")).scores.size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "a broken image among those that are scored is skipped or stops the run, as in training") {
  for (int i = 0; i < 80; ++i) {
    const std::string png = make_png(8, 8, random_image({8, 8}, 3, static_cast<std::uint64_t>(i)).pixels);
    for (const char* split : {"train", "test"}) {
      const bool broken = split == std::string("test") && i == 7;
      write_bytes(folder / "pictures" / split / (i % 2 == 0 ? "a" : "b") / concat(100 + i, ".png"),
                  broken ? png.substr(0, 90) : png);
    }
  }
  const auto settings = [&](const std::string& on_broken) {
    return std::vector<std::string>{"eval.every_epochs=2", "data.path=" + at("pictures"), "data.on_broken=" + on_broken};
  };
  const ProgramResult stopped = run_program(folder, start("stopped", "mec", settings("stop")));
  CHECK(stopped.status == 1);
  CHECK(stopped.err.find("test/b/107.png") != std::string::npos);
  CHECK(stopped.err.find("data.on_broken=skip") != std::string::npos);
  run(start("run", "mec", settings("skip")));
  CHECK(read_bytes(folder / "run/broken.txt").find("test/b/107.png") != std::string::npos);
  CHECK(lines_of(at("run/metrics.jsonl")).scores.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "a study's runs are scored while they train") {
  run({"study", "methods", config, "--methods", "simsiam", "--k", "5", "--threads", "1", "--set", "model.proj_hidden=16",
       "--set", "model.dim=16", "--set", "eval.every_epochs=1", "--set", "train.batch=16", "--out", at("study")});
  CHECK(lines_of(at("study/runs/simsiam-0/metrics.jsonl")).scores.size() == 2);
  CHECK(std::filesystem::exists(at("study/runs/simsiam-0/encoder-best.safetensors")));
}

TEST_CASE_FIXTURE(Fixture, "--within counts the time that scores take") {
  struct Slow : EncoderScorer {
    const std::string& text() const override { return said; }
    std::optional<Metrics> score(const Module&, Dtype, const std::function<bool()>&) const override {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      return Metrics{{"knn", 0.5}};
    }
    std::string said = "patience";
  };
  PretrainSettings settings = read_settings(config);
  settings.train.epochs = 1000;
  settings.train.lr = 0;
  const auto epochs_within = [&](double seconds, std::int64_t every, const std::string& out) {
    settings.eval.every_epochs = every;
    train_run(
        settings, make_cpu_device({.threads = 1}), at(out),
        {.within_minutes = seconds / 60, .make_scorer = [](const auto&, const auto&) { return std::make_unique<Slow>(); }});
    return read_settings(at(out + "/settings.toml")).train.epochs;
  };
  // Student and teacher take 0.2 s in each epoch, or in each tenth.
  const std::int64_t each = epochs_within(1.0, 1, "each"), tenth = epochs_within(1.0, 10, "tenth");
  CHECK(each <= 5);
  CHECK(each >= 1);
  CHECK(tenth > each);
}
