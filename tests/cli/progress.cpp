#include "mec/cli/progress.h"

#include <doctest/doctest.h>

#include <sstream>

using namespace mec;
using namespace mec::cli;

namespace {

StepReport report(std::int64_t step, double norm) {
  return {.step = step,
          .steps = 4,
          .epoch = 1,
          .images = 100,
          .values = {},
          .scheduled = {},
          .metrics = {{"loss", -0.5}, {"coding_length", 12}, {"spectral_norm", norm}},
          .seconds = 10,
          .data_seconds = 0};
}

constexpr std::chrono::milliseconds kAtOnce(0), kNever(1000000);

}  // namespace

TEST_CASE("on a terminal one line is drawn over, and ended when the run ends early") {
  std::ostringstream out;
  {
    Progress progress(out, {.terminal = true, .pause = kAtOnce});
    progress.on_step(report(1, 0.3));
    progress.on_step(report(2, 0.3));
    progress.on_step(report(3, 0.3));
    CHECK(out.str().find('\n') == std::string::npos);
    CHECK(
        out.str().find(
            "[###############.....] epoch 1  step 3/4  10 images/s  ETA 0:10  loss -0.5000  coding length 12.0  norm 0.300") !=
        std::string::npos);
  }
  CHECK(out.str().ends_with("\n"));
}

TEST_CASE("elsewhere whole lines are written, few of them, and the norm's trouble is named") {
  std::ostringstream out;
  Progress often(out, {.terminal = false, .pause = kAtOnce}), seldom(out, {.terminal = false, .pause = kNever});
  often.on_step(report(1, 1.5));
  seldom.on_step(report(1, 1.5));
  CHECK(out.str() == "epoch 1  step 1/4  loss -0.5000  coding length 12.0  norm 1.500 (the series would diverge)\n");
}

TEST_CASE("an epoch's line has its scores, the student's before what a narrow terminal cuts off") {
  static int columns = 0;
  columns = 80;
  std::ostringstream log, terminal;
  const Evaluation evaluation{.epoch = 1, .step = 2, .scores = {{"knn", 0.8692}, {"teacher_knn", 0.5}}, .seconds = 30};
  Learner* const none = nullptr;
  const auto show = [&](Progress& progress) {
    progress.on_step(report(1, 0.3));
    progress.on_step(report(2, 0.3));
    progress.before_evaluation(1);
    progress.on_evaluation(evaluation);
    progress.on_epoch(1, *none);
    progress.on_step(report(3, 0.3));
  };
  Progress plain(log, {.terminal = false, .pause = kAtOnce});
  show(plain);
  CHECK(log.str().find("step 2/4  10 images/s  ETA 1:20  kNN 86.92 %  loss -0.5000  teacher's kNN 50.00 %  "
                       "coding length 12.0  norm 0.300\n") != std::string::npos);
  // What scores took counts as time that later steps will take, too, and is none of their rate.
  CHECK(log.str().ends_with("epoch 1  step 3/4  10 images/s  ETA 0:25  loss -0.5000  coding length 12.0  norm 0.300\n"));
  Progress cut(terminal, {.terminal = true, .pause = kAtOnce, .columns = [] { return columns; }});
  show(cut);
  CHECK(terminal.str().find("\r\033[Kepoch 1  scoring the encoder\r\033[K"
                            "epoch 1  step 2/4  10 images/s  ETA 1:20  kNN 86.92 %  loss -0.5000\n") != std::string::npos);
}

TEST_CASE("scores that a run makes up for have a line of their own, and those that were given up leave the epoch's") {
  std::ostringstream out;
  Progress progress(out, {.terminal = false, .pause = kNever});
  progress.before_evaluation(3);
  progress.on_evaluation({.epoch = 3, .step = 2, .scores = {{"probe", 0.25}, {"teacher_probe", 1}}, .seconds = 0});
  CHECK(out.str() == "epoch 3  probe 25.00 %  teacher's probe 100.00 %\n");
  out.str("");
  Learner* const none = nullptr;
  progress.on_step(report(4, 0.3));
  progress.before_evaluation(1);
  progress.on_epoch(1, *none);
  CHECK(out.str() == "epoch 1  step 4/4  loss -0.5000  coding length 12.0  norm 0.300\n");
}

TEST_CASE("a bar stays within the terminal's columns, and goes before a word of the line does") {
  static int columns = 0;
  const auto shown = [](int width) {
    columns = width;
    std::ostringstream out;
    Progress(out, {.terminal = true, .pause = kAtOnce, .columns = [] { return columns; }}).on_step(report(2, 0.3));
    return out.str();
  };
  const std::string line = "epoch 1  step 2/4  loss -0.5000  coding length 12.0  norm 0.300", bar = "[##########..........] ";
  const std::string erase = "\r\033[K";
  const int whole = static_cast<int>(bar.size() + line.size());
  CHECK(shown(0) == erase + bar + line + "\n");  // not known
  CHECK(shown(300) == erase + bar + line + "\n");
  CHECK(shown(whole + 1) == erase + bar + line + "\n");
  CHECK(shown(whole) == erase + line + "\n");
  CHECK(shown(static_cast<int>(line.size())) == erase + line.substr(0, line.rfind("  ")) + "\n");
  CHECK(shown(20) == erase + line.substr(0, line.find("  loss")) + "\n");
  CHECK(shown(6) == erase + line.substr(0, 5) + "\n");
  CHECK(shown(1) == erase + "\n");
}
