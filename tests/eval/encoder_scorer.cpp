// What scores a run's encoders while it trains; the figures themselves: tests/cli/evaluation.cpp.
#include "mec/eval/encoder_scorer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mec/distributed/threads.h"
#include "mec/ssl/run/evaluations.h"
#include "ssl/tiny_run.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("an encoder whose features are not finite has no score, on one process and on several") {
  TempFolder folder;
  write_images(folder / "data", 60, 10);
  PretrainSettings settings = tiny_settings();
  settings.data.path = (folder / "data").string();
  settings.eval.probe = true;
  const TrainingImages images = open_training_images(settings, {});
  for (const int count : {1, 3}) {
    CAPTURE(count);
    run_ranks(count, [&](const CommunicatorPtr& ranks) {
      LearnerOptions options = learner_options(settings);
      options.ranks = ranks;
      Learner learner(options, make_cpu_device({.threads = 1}));
      const auto scorer = make_encoder_scorer(settings, {.device = learner.parameters.values().device(),
                                                         .images = images,
                                                         .image_size = 10,
                                                         .normalization = {.mean = {0.5F}, .std = {0.25F}},
                                                         .ranks = ranks});
      const auto missing = [&] {
        const auto scores = score_encoders(*scorer, learner, {});
        check<ValueError>(scores.has_value(), "nothing asked to stop");
        check<ValueError>(scores->size() == (ranks->rank() == 0 ? 4 : 0), "the first rank has student's and teacher's");
        return std::ranges::count_if(*scores, [](const auto& score) { return std::isnan(score.second); });
      };
      check<ValueError>(missing() == 0, "of an encoder as it begins");
      learner.parameters.values().fill(NAN);
      check<ValueError>(missing() == (ranks->rank() == 0 ? 2 : 0), "the student's alone");
    });
  }
}
