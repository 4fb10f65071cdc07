// mec pretrain --within MINUTES: the demo ends in time on slow machines too.
#include <doctest/doctest.h>

#include "mec/ssl/run/epoch_budget.h"
#include "mec/ssl/run/settings_file.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("as many epochs as fit into the minutes, between the fewest and those asked for") {
  const auto epochs = [](double minutes) { return fit_epochs(minutes, 90, 20, 3).epochs; };  // of 1.5 minutes
  CHECK(fit_epochs(1, 90, 20, 3).minutes_per_epoch == 1.5);
  CHECK(epochs(15) == 10);
  CHECK(epochs(16.4) == 10);
  CHECK(epochs(30) == 20);
  CHECK(epochs(300) == 20);
  CHECK(epochs(1) == 3);
}

TEST_CASE("epochs that would take too long are fewer, which is said, and the run is that of its own settings") {
  const RunFixture run;
  const ProgramResult fitted =
      run.run({"pretrain", run.config, "--out", run.at("fitted"), "--set", "train.epochs=1000000", "--within", "1e-9"});
  CHECK(fitted.out.find("1000000 epochs take about ") == 0);
  CHECK(fitted.out.find(" min here: training 1 instead, less than a minute (--within 1e-09)\n") != std::string::npos);
  CHECK(read_settings(run.folder / "fitted" / "settings.toml").train.epochs == 1);

  run.run({"pretrain", run.config, "--out", run.at("asked"), "--set", "train.epochs=1"});
  for (const char* file : {"metrics.jsonl", "settings.toml", "encoder.safetensors"}) {
    CHECK(read_bytes(run.folder / "fitted" / file) == read_bytes(run.folder / "asked" / file));
  }
}

TEST_CASE("a run that is made shorter keeps its warm-ups, and endless time shortens none") {
  const RunFixture run;
  const std::vector<std::string> call{"pretrain", run.config, "--out", run.at("a"),           "--set", "train.epochs=1000000",
                                      "--within", "1e-9",     "--set", "train.warmup_steps=5"};
  CHECK(run.run(call).out.find(": training 3 instead, ") != std::string::npos);  // of two steps
  CHECK(run.run({"pretrain", run.config, "--out", run.at("b"), "--within", "1e308"}).out.find("instead") == std::string::npos);
}

TEST_CASE("epochs that fit stay as they are") {
  const RunFixture run;
  const ProgramResult fitted = run.run({"pretrain", run.config, "--out", run.at("fitted"), "--within", "1000"});
  CHECK(fitted.out.find("2 epochs take less than a minute here\n") == 0);
  run.run({"pretrain", run.config, "--out", run.at("asked")});
  CHECK(read_bytes(run.folder / "fitted/metrics.jsonl") == read_bytes(run.folder / "asked/metrics.jsonl"));
}

TEST_CASE("minutes are above 0, and a resumed run keeps its epochs") {
  const RunFixture run;
  check_fails(run.folder, 2, "--within: must be above 0, but is 0", {"pretrain", run.config, "--within", "0"});
  check_fails(run.folder, 2, "--within excludes --resume", {"pretrain", "--resume", run.at("x"), "--within", "5"});
}
