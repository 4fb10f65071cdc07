// Runs that write event files: training stays the same, and each step is there once, whatever
// became of former starts.

#include "cli/resumed_run.h"
#include "support/events.h"

using namespace mec;
using namespace mec::test;

namespace {

const std::vector<std::string> kLogged{"log.tensorboard=true", "eval.every_epochs=2"};

struct Fixture : ResumeFixture {
  std::string events(const std::string& run) const { return at(run + "/events.out.tfevents.mec"); }

  // Steps 1 to 40, each once, and the scores after two and four epochs; in order.
  void check_events(const std::string& run) const {
    std::vector<std::int64_t> steps, scored;
    for (const ReadEvent& event : read_events(read_bytes(events(run)))) {
      if (event.values.contains("train/loss")) steps.push_back(event.step);
      if (event.values.contains("eval/knn")) scored.push_back(event.step);
    }
    std::vector<std::int64_t> all;
    for (std::int64_t step = 1; step <= 40; ++step) all.push_back(step);
    CHECK(steps == all);
    CHECK(scored == std::vector<std::int64_t>{20, 40});
  }
  // The files that both have are the same.
  void check_trained_alike(const std::string& a, const std::string& b) const {
    for (const char* file : {"encoder.safetensors", "metrics.jsonl", "checkpoint-40.safetensors"})
      CHECK(read_bytes(at(a) + "/" + file) == read_bytes(at(b) + "/" + file));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "event files change no bit of training, and have every step once after a kill") {
  run(start("plain", "mec", {"eval.every_epochs=2"}));
  CHECK_FALSE(std::filesystem::exists(events("plain")));
  run(start("logged", "mec", kLogged));
  check_events("logged");
  check_trained_alike("logged", "plain");

  RunFixture::stop_early(start("killed", "mec", kLogged), "killed", 40);
  run(resume("killed"));
  check_events("killed");
  check_trained_alike("killed", "plain");
}

TEST_CASE_FIXTURE(Fixture, "an event file that cannot be written stops no run") {
  RunFixture::stop_early(start("run", "mec", kLogged), "run", 40);
  std::filesystem::remove(events("run"));
  std::filesystem::create_directory(events("run"));
  const auto result = run(resume("run"));
  CHECK(result.err.find("; training goes on, and it is tried again\n") != std::string::npos);
  CHECK(std::ranges::count(read_bytes(at("run/metrics.jsonl")), '\n') == 42);
}

TEST_CASE_FIXTURE(Fixture, "a run may begin to write events where it goes on") {
  RunFixture::stop_early(start("run", "mec", {"eval.every_epochs=2"}), "run", 40);
  run(go("run", "mec", kLogged));
  check_events("run");
}

TEST_CASE_FIXTURE(Fixture, "a run that goes on without event files has no old one") {
  RunFixture::stop_early(start("run", "mec", kLogged), "run", 40);
  CHECK(std::filesystem::exists(events("run")));
  run(go("run", "mec", {"eval.every_epochs=2"}));
  CHECK_FALSE(std::filesystem::exists(events("run")));
}

TEST_CASE_FIXTURE(Fixture, "a run that has ended gets its event file where it is asked for") {
  run(start("run", "mec", {"eval.every_epochs=2"}));
  const auto again = run(go("run", "mec", kLogged));
  CHECK(again.out.find("training has ended already") != std::string::npos);
  check_events("run");
}
