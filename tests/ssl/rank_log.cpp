// The logs of a run's processes.
#include "mec/ssl/run/rank_log.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <mutex>

#include "mec/distributed/threads.h"
#include "ssl/tiny_run.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture {
  TempFolder folder;
  std::filesystem::path run = folder / "run";
  std::string text(int rank) const { return read_bytes(run / kRanksFolder / concat(rank, ".log")); }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE_FIXTURE(Fixture, "each rank has a log of what it saw, from before the folder was there to its end") {
  std::filesystem::create_directory(run);
  for (int start = 0; start < 2; ++start) {
    run_ranks(3, [&](const CommunicatorPtr& ranks) {
      RankLog log(ranks);
      log.add(concat("line of ", ranks->rank(), "\nin two"));
      check<ValueError>(log.open(run).empty(), "all see the folder");
      for (int step = 0; step < 2; ++step)
        log.on_step({.values = {}, .scheduled = {}, .metrics = {}, .seconds = 1.5, .data_seconds = 0.25 * (1 + step)});
      Learner learner(learner_options(tiny_settings(), Dtype::f32, false), make_cpu_device());
      log.on_epoch(4, learner);
      log.on_epoch(5, learner);
      log.add("ended");
    });
  }
  for (int rank = 0; rank < 3; ++rank) {
    const std::string all = text(rank);
    CAPTURE(all);
    CHECK(std::ranges::count(all, '\n') == 10);  // the second start goes on in the file
    CHECK(has(all, concat("Z line of ", rank, "\\nin two\n")));
    CHECK(has(all, concat("Z process ", rank, " of 3, number ")));
    CHECK(has(all, "Z epoch 4: 2 steps in 3 s; waited for images for 0.75 s, at most 0.5 s before a step\n"));
    CHECK(has(all, "Z epoch 5: 0 steps in 0 s; "));
    CHECK(all.ends_with("Z ended\n"));
  }
}

TEST_CASE_FIXTURE(Fixture, "a rank that does not see the first one's folder is named, and keeps no log") {
  std::filesystem::create_directory(run);
  const std::filesystem::path other = folder / "other machine";
  std::filesystem::create_directories(other / kRanksFolder);
  write_bytes(other / kRanksFolder / "0.log", "of another run\n");
  std::vector<int> missing;
  run_ranks(3, [&](const CommunicatorPtr& ranks) {
    RankLog log(ranks);
    const std::vector<int> found = log.open(ranks->rank() == 1 ? other : run);
    log.add("and on");
    if (ranks->rank() == 0) missing = found;
  });
  CHECK(missing == std::vector<int>{1});
  CHECK_FALSE(std::filesystem::exists(other / kRanksFolder / "1.log"));
  CHECK(has(text(0), "and on"));
  CHECK(has(text(2), "and on"));
}

TEST_CASE_FIXTURE(Fixture, "where the first rank cannot write, no rank keeps a log") {
  write_bytes(run, "a file");
  run_ranks(2, [&](const CommunicatorPtr& ranks) {
    RankLog log(ranks);
    check<ValueError>(log.open(run) == std::vector<int>{0, 1}, "none has one");
    log.add("and on");
  });
}
