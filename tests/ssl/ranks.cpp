// Many ranks train as one process with the whole batch does.
#include <doctest/doctest.h>

#include <cmath>
#include <mutex>

#include "mec/distributed/threads.h"
#include "mec/ssl/losses/expansion.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kBatch = 12;

struct End {
  std::vector<double> state, losses;
};

PretrainSettings settings_of(const std::string& method, std::int64_t accumulate = 1) {
  PretrainSettings settings = tiny_settings_of(method);
  settings.train.batch = kBatch;
  settings.train.accumulate = accumulate;
  settings.train.lr = 0.02;
  if (settings.method_settings.contains("queue")) settings.method_settings.at("queue") = 2.0 * kBatch;
  return settings;
}

// Ten steps of this rank. Everything is f64.
End train_ranks(const PretrainSettings& settings, const CommunicatorPtr& ranks, const Device& device) {
  const auto objective = make_step_objective(settings, device, Dtype::f64);
  LearnerOptions options = learner_options(settings, Dtype::f64, objective->ema_teacher());
  options.ranks = ranks;
  Learner learner(options, device);
  const StepScalars scalars(Dtype::f64, device);
  End end;
  const std::int64_t own = kBatch / ranks->size();
  for (std::uint64_t step = 0; step < 10; ++step) {
    std::vector<Tensor> views;
    for (std::uint64_t view = 0; view < 2; ++view) {
      const Tensor all = random({kBatch, 10, 10, 1}, Dtype::f64, device, {.seed = 100 + 2 * step + view});
      views.push_back(all.rows(ranks->rank() * own, (ranks->rank() + 1) * own));
    }
    scalars.set({.lr = settings.train.lr, .ema = 0.9});
    objective->before_step(static_cast<std::int64_t>(step), 2);
    const StepOutput out = training_step(learner, *objective, views, scalars);
    std::vector<std::vector<double>> parts;
    for (const Tensor& part : out.metrics) parts.push_back(part.to_vector<double>());
    end.losses.push_back(objective->summarize(parts).front().second);
  }
  end.state = snapshot_of(learner, *objective);
  return end;
}

std::vector<End> ends_of(int size, const PretrainSettings& settings) {
  std::vector<End> ends(static_cast<std::size_t>(size));
  run_ranks(size, [&](const CommunicatorPtr& ranks) {
    ends[static_cast<std::size_t>(ranks->rank())] = train_ranks(settings, ranks, make_reference_device());
  });
  return ends;
}

// Ten steps on two, three and four ranks are those of one process with the whole batch.
void check_ranks_are_one(const PretrainSettings& settings) {
  const End one = ends_of(1, settings).front();
  for (const int size : {2, 3, 4}) {
    CAPTURE(size);
    const std::vector<End> ends = ends_of(size, settings);
    for (const End& end : ends) {
      CHECK(end.state == ends.front().state);  // the same bits on all ranks
      CHECK(end.losses == ends.front().losses);
    }
    CHECK(worst(ends.front().losses, one.losses) < 1e-10);
    CHECK(worst(ends.front().state, one.state) < 1e-10);
    CHECK(ends_of(size, settings).front().state == ends.front().state);  // and again
  }
}

}  // namespace

TEST_CASE("ten steps on two, three and four ranks are those of one process with the whole batch, for each method") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    check_ranks_are_one(settings_of(method.name));
  }
}

TEST_CASE("so they are where sums of (d,d) matrices cross, not embeddings") {
  PretrainSettings mec = settings_of("mec");
  mec.method_settings["side"] = static_cast<double>(Side::feature);
  check_ranks_are_one(mec);
  for (const char* method : {"barlow-twins", "vicreg"}) {
    CAPTURE(method);
    PretrainSettings narrow = settings_of(method);
    narrow.model.dim = 5;  // less than half of the batch
    check_ranks_are_one(narrow);
  }
}

TEST_CASE("so they are with what needs the rows of all ranks") {
  PretrainSettings components = settings_of("mec"), regularized = components;
  components.method_settings["components"] = 2;
  check_ranks_are_one(components);
  regularized.mixture_kl.weight = 0.1;
  check_ranks_are_one(regularized);
}

TEST_CASE("ranks that take their rows in parts train as one process that takes as many") {
  const PretrainSettings alone = settings_of("mec", 4), together = settings_of("mec", 2);
  const End one = ends_of(1, alone).front();
  PretrainSettings apart = together;
  apart.train.sync_batch_norm = 0;
  // Four parts of three rows either way, each normalised by itself. The running statistics of a
  // rank are its own parts' alone, so that the losses are compared, and not the state. (Normalised
  // by three rows, rounding grows tenfold with each two steps.)
  CHECK(worst(ends_of(2, apart).front().losses, one.losses) < 1e-8);
  CHECK(worst(ends_of(2, together).front().losses, one.losses) > 1e-4);
}

// By hand: the first six rows are normalised by their own statistics, the last six by theirs. Two
// processes have them so, each alone; or one that takes its rows in two parts, whose running
// statistics are of both.
TEST_CASE("four ranks in groups of two normalise as the halves of the batch do, each by itself") {
  PretrainSettings groups = settings_of("mec"), halves = groups;
  groups.train.sync_batch_norm = 2;
  halves.train.sync_batch_norm = 0;
  const End in_groups = ends_of(4, groups).front(), two = ends_of(2, halves).front();
  CHECK(worst(in_groups.losses, two.losses) < 1e-10);
  CHECK(worst(in_groups.state, two.state) < 1e-10);  // the first half's running statistics, too
  CHECK(worst(in_groups.losses, ends_of(1, settings_of("mec", 2)).front().losses) < 1e-10);
  CHECK(worst(in_groups.losses, ends_of(1, settings_of("mec")).front().losses) > 1e-4);
  PretrainSettings all = groups;
  all.train.sync_batch_norm = 4;
  CHECK(ends_of(4, all).front().state == ends_of(4, settings_of("mec")).front().state);
}

TEST_CASE("what one rank has to skip, all skip, and they keep the same bits") {
  PretrainSettings settings = settings_of("moco-v2");
  settings.train.on_nonfinite = OnNonfinite::skip;
  settings.train.sync_batch_norm = 0;  // each has statistics of its own
  std::vector<std::vector<double>> before(2), after(2);
  run_ranks(2, [&](const CommunicatorPtr& ranks) {
    const Device device = make_reference_device();
    const auto objective = make_objective(settings, device, Dtype::f64);
    LearnerOptions options = learner_options(settings, Dtype::f64, objective->ema_teacher());
    options.ranks = ranks;
    Learner learner(options, device);
    const StepScalars scalars(Dtype::f64, device);
    scalars.set({.lr = 0.02, .ema = 0.9});
    const auto rank = static_cast<std::size_t>(ranks->rank());
    // A statistic that overflowed, in one rank's memory alone.
    if (rank == 1) buffers_of(learner.teacher->network).at(0).tensor.segment(0, {1}).fill(INFINITY);
    std::vector<Tensor> views;
    for (std::uint64_t view = 0; view < 2; ++view)
      views.push_back(random({kBatch / 2, 10, 10, 1}, Dtype::f64, device, {.seed = 2 * rank + view}));
    before[rank] = snapshot_of(learner, *objective);
    CHECK(training_step(learner, *objective, views, scalars).finite.item() == 0.0);
    after[rank] = snapshot_of(learner, *objective);
  });
  for (const std::size_t rank : {0, 1}) CHECK(after[rank] == before[rank]);
}
