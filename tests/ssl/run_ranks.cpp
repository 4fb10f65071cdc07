// What the processes of one run must have in common.
#include "mec/ssl/run/run_ranks.h"

#include <doctest/doctest.h>

#include "mec/distributed/threads.h"
#include "mec/ssl/run/settings_file.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

// Two ranks, of which the second one has this setting changed, or other scores.
void check_two(const std::string& assignment, const std::string& scores = "kNN of 4 images") {
  run_ranks(2, [&](const CommunicatorPtr& ranks) {
    PretrainSettings settings = tiny_settings();
    const bool other = ranks->rank() == 1;
    if (other && !assignment.empty()) apply_assignments(settings, {assignment});
    check_same_run(settings, GeneratedImages(24, 10), "a CPU", other ? scores : "kNN of 4 images", *ranks);
  });
}

}  // namespace

TEST_CASE("processes with other settings than the first are refused, where these decide what all do together") {
  check_two("");
  for (const char* assignment : {"data.on_broken=skip", "data.broken_limit=7", "train.health_steps=3",
                                 "train.on_nonfinite=skip", "train.nonfinite_limit=4", "eval.every_epochs=7", "eval.probe=true",
                                 "eval.limit=9", "train.seed=4", "train.sync_batch_norm=false"}) {
    CAPTURE(assignment);
    const std::string name = std::string(assignment).substr(0, std::string(assignment).find('='));
    CHECK_THROWS_WITH_AS(check_two(assignment), doctest::Contains(("but this one has " + name + " = ").c_str()), ValueError);
  }
  CHECK_THROWS_WITH_AS(check_two("", "kNN of 5 images"),
                       doctest::Contains("this one has scores of kNN of 5 images, and the first one scores of kNN of 4 images"),
                       ValueError);
}

TEST_CASE("each process has its own place of the data, threads that read them, and checkpoints") {
  for (const char* assignment : {"data.path=elsewhere", "data.workers=3", "train.checkpoint_epochs=2",
                                 "train.checkpoint_steps=5", "train.checkpoint_minutes=9", "train.checkpoints_kept=3"}) {
    CAPTURE(assignment);
    check_two(assignment);
  }
}
