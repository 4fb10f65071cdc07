// A run that is killed at any instant is resumed by the command that began it, and ends with the
// bits of one that was left alone.
#include <chrono>

#include "chaos/chaotic_run.h"
#include "mec/tensor/philox.h"

using namespace mec;
using namespace mec::test;

namespace {

// Kills run after run until there were `kills` of them, at instants that the seed says.
void check_kills(const ChaoticRun& chaos, const std::string& method, int kills) {
  CAPTURE(method);
  std::filesystem::remove_all(chaos.at("whole"));
  const auto began = std::chrono::steady_clock::now();
  REQUIRE(chaos.run_until(chaos.command("whole", method), [] { return false; }));
  const auto whole = std::chrono::steady_clock::now() - began;
  RandomStream draw(static_cast<std::uint64_t>(kills), 0, 0, Purpose::test);
  int done = 0, within_epochs = 0, before_first = 0;
  for (int runs = 0; done < kills; ++runs) {
    REQUIRE(runs < 10 * kills);
    std::filesystem::remove_all(chaos.at("run"));
    bool ended = false;
    while (!ended && done < kills) {
      // Up to a third longer than the whole takes, so that some parts get to the end.
      const auto until = std::chrono::steady_clock::now() + whole * (1 + draw.below(1000)) / 750;
      ended = chaos.run_until(chaos.command("run", method), [&] { return std::chrono::steady_clock::now() > until; });
      if (ended) break;
      ++done;
      const std::int64_t step = newest_checkpoint_in(chaos.at("run")).step;
      within_epochs += step % 10 != 0 ? 1 : 0;
      before_first += step == 0 ? 1 : 0;
    }
    chaos.check_goes_on(method);
  }
  MESSAGE(method, ": ", done, " kills; ", within_epochs, " left a checkpoint within an epoch, ", before_first, " none");
  CHECK(within_epochs > 0);
}

// At the moment of each call on the run's files, and so in each state that the disk can be in.
void check_kill_at_calls(const ChaoticRun& chaos, long every) {
  for (const char* former : {"whole", "run"}) std::filesystem::remove_all(chaos.at(former));
  REQUIRE(chaos.run_until(chaos.command("whole"), [] { return false; }));
  const long calls = chaos.calls(chaos.command("run"));
  REQUIRE(calls > 50);
  int killed = 0;
  for (long at = 1; at <= calls; at += every) {
    CAPTURE(at);
    std::filesystem::remove_all(chaos.at("run"));
    killed += chaos.with_fault({.kind = "kill", .at = at}, chaos.command("run")).status == 128 + 9 ? 1 : 0;
    chaos.check_goes_on();
  }
  MESSAGE(killed, " of ", calls, " calls were the last");
  CHECK(killed > calls / every / 2);
}

}  // namespace

TEST_CASE_FIXTURE(ChaoticRun, "a run that is killed at random instants, within epochs too, ends with the same bits") {
  for (const std::string method : {"mec", "moco-v2", "swav"}) check_kills(*this, method, 8);
  settings = {"train.accumulate=4"};
  check_kills(*this, "mec", 8);
}

TEST_CASE_FIXTURE(ChaoticRun, "no call on a file is one at which a run must not be killed") { check_kill_at_calls(*this, 7); }

TEST_CASE_FIXTURE(ChaoticRun, "nor where the encoders are scored, whose best is written beside the last") {
  settings = {"eval.every_epochs=1"};
  check_kill_at_calls(*this, 11);
}

TEST_SUITE("slow") {
  TEST_CASE_FIXTURE(ChaoticRun, "a run with scores that is killed at random instants or calls ends with the same bits") {
    settings = {"eval.every_epochs=1", "eval.probe=true"};
    for (const std::string method : {"mec", "vicreg"}) check_kills(*this, method, 25);
    check_kill_at_calls(*this, 1);
  }
  TEST_CASE_FIXTURE(ChaoticRun, "a run that is killed at fifty random instants ends with the same bits") {
    for (const std::string method : {"mec", "moco-v2", "swav"}) check_kills(*this, method, 50);
    settings = {"train.accumulate=4"};
    check_kills(*this, "mec", 50);
  }
  TEST_CASE_FIXTURE(ChaoticRun, "no call on a file is one at which a run must not be killed, each in turn") {
    check_kill_at_calls(*this, 1);
  }
}
