// Objectives that are given a rank's own rows: losses, metrics and gradients are those of one
// process with the rows of all.
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "mec/distributed/profiling_communicator.h"
#include "mec/distributed/threads.h"
#include "mec/ssl/losses/pair.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kRows = 12, kSteps = 3;

// A method with settings of its own, and their names.
struct Case {
  std::string method;
  std::map<std::string, double> settings = {};
};

std::vector<Case> cases() {
  const double batch = 1, feature = 2;  // of mec.side
  return {{"mec", {{"side", batch}}},
          {"mec", {{"side", feature}}},
          {"mec", {{"side", batch}, {"exact", 1}}},
          {"mec", {{"side", feature}, {"exact", 1}}},
          {"mec", {{"side", batch}, {"order", 5}, {"eps2", 1}, {"lambda_warmup_factor", 1}}},
          {"mec", {{"side", feature}, {"order", 5}, {"eps2", 1}, {"lambda_warmup_factor", 1}}},
          {"mec", {{"symmetrize", 1}}},
          {"simsiam"},
          {"byol"},
          {"barlow-twins"},
          {"vicreg"},
          {"moco-v2", {{"queue", 2.0 * kRows}}},
          {"swav"},
          {"swav", {{"queue", 2.0 * kRows}, {"queue_epoch", 0}}}};
}

std::unique_ptr<PairObjective> make(const Case& c, std::int64_t width, const Device& device) {
  PretrainSettings settings;
  choose_method(settings, c.method);
  settings.train.batch = kRows;
  settings.model.dim = width;
  for (const auto& [name, value] : c.settings) settings.method_settings.at(name) = value;
  return make_objective(settings, device, Dtype::f64);
}

// Everything that an objective returns of some steps, one list for what all ranks have, and one for
// what belongs to rows.
struct Said {
  std::vector<double> shared, rows;
};

void append(std::vector<double>& list, const Tensor& t) {
  const std::vector<double> values = t.to_vector<double>();
  list.insert(list.end(), values.begin(), values.end());
}

Said steps_of(const Case& c, std::int64_t width, const CommunicatorPtr& ranks, const Device& device) {
  const auto objective = make(c, width, device);
  const BatchRows rows(ranks);
  const StepContext context{.predict = [](const Tensor& projections) { return scale(projections, 0.5); }, .rows = rows};
  const std::size_t students_at_once = objective->view_by_view() ? 1 : 2;
  Said said;
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    objective->before_step(static_cast<std::int64_t>(step), 1);
    std::vector<StudentView> students;
    std::vector<Tensor> teachers;
    for (std::uint64_t view = 0; view < 2; ++view) {
      const auto draw = [&](std::uint64_t what) {
        return rows.own(random({kRows, width}, Dtype::f64, device, {.seed = 10 * step + 3 * view + what}));
      };
      // One direction in common, so that MEC's norm is large.
      const Tensor common = random({1, width}, Dtype::f64, device, {.seed = 99});
      const auto leaning = [&](const Tensor& z) { return add(z, scale(common, 2).reshape({width})); };
      students.push_back({static_cast<std::int64_t>(view), leaning(draw(0)), draw(1)});
      teachers.push_back(leaning(draw(2)));
    }
    for (std::size_t first = 0; first < 2; first += students_at_once) {
      const std::vector<StudentView> now(students.begin() + std::ptrdiff_t(first),
                                         students.begin() + std::ptrdiff_t(first + students_at_once));
      const ObjectiveResult result = (*objective)(now, teachers, context);
      for (const Tensor& metrics : result.metrics) append(said.shared, metrics);
      for (const Tensor& gradient : result.gradients) append(said.rows, ranks->all_gather(gradient));
    }
    for (const NamedBuffer& state : objective->state()) append(said.shared, state.tensor);
  }
  return said;
}

std::vector<Said> said_by(int size, const Case& c, std::int64_t width) {
  std::vector<Said> all(static_cast<std::size_t>(size));
  run_ranks(size, [&](const CommunicatorPtr& ranks) {
    all[static_cast<std::size_t>(ranks->rank())] = steps_of(c, width, ranks, make_reference_device());
  });
  return all;
}

std::string name_of(const Case& c) {
  std::string name = c.method;
  for (const auto& [key, value] : c.settings) name += concat(" ", key, "=", value);
  return name;
}

}  // namespace

TEST_CASE("objectives that are given each rank's own rows return what one process with all of them gets") {
  for (const Case& c : cases()) {
    for (const std::int64_t width : {5, 30}) {  // m above d, and below
      CAPTURE(name_of(c));
      CAPTURE(width);
      const Said one = said_by(1, c, width).front();
      if (c.settings.contains("eps2")) {  // λ adapts
        CHECK(one.shared.at(static_cast<std::size_t>(CodingMetric::spectral_norm)) > 2);
        CHECK(one.shared.at(static_cast<std::size_t>(CodingMetric::effective_norm)) < 1);
      }
      for (const int size : {2, 3, 4}) {
        CAPTURE(size);
        const std::vector<Said> several = said_by(size, c, width);
        for (const Said& said : several) CHECK(said.shared == several.front().shared);  // to the bit
        CHECK(worst(several.front().shared, one.shared) < 1e-10);
        CHECK(worst(several.front().rows, one.rows) < 1e-10);
      }
    }
  }
}

TEST_CASE("which methods take a rank's own rows, and which those of all") {
  std::set<std::string> own, all, either;
  for (const Method& method : methods()) {
    PretrainSettings settings;
    choose_method(settings, method.name);
    if (settings.method_settings.contains("queue")) settings.method_settings.at("queue") = 0;
    if (method.name == "moco-v2") settings.method_settings.at("queue") = static_cast<double>(settings.train.batch);
    const auto objective = make_objective(settings, make_reference_device(), Dtype::f64);
    const bool many = objective->takes_own_rows({.rows = 100000, .width = 8, .ranks = 8}),
               few = objective->takes_own_rows({.rows = 8, .width = 100000, .ranks = 8});
    (many && few ? own : many ? either : all).insert(method.name);
  }
  CHECK(own == std::set<std::string>{"mec", "simsiam", "moco-v2", "swav", "byol"});
  CHECK(either == std::set<std::string>{"barlow-twins", "vicreg"});
  CHECK(all == std::set<std::string>{"simclr"});
  // What is wrapped around them takes the rows of all, too.
  PretrainSettings settings = tiny_settings();
  settings.method_settings["components"] = 2;
  CHECK_FALSE(make_step_objective(settings, make_reference_device())->takes_own_rows({.rows = 1000, .width = 8, .ranks = 8}));
  settings.method_settings["components"] = 1;
  CHECK(make_step_objective(settings, make_reference_device())->takes_own_rows({.rows = 1000, .width = 8, .ranks = 8}));
  settings.mixture_kl.weight = 1;
  CHECK_FALSE(make_step_objective(settings, make_reference_device())->takes_own_rows({.rows = 1000, .width = 8, .ranks = 8}));
}

TEST_CASE("one process takes the smaller matrix, several ranks the one that costs less") {
  for (const std::int64_t m : {1, 7, 64, 511}) {
    for (const std::int64_t d : {1, 7, 65, 512}) {
      for (const double products : {1.0, 2.0, 5.0}) CHECK(batch_side_is_cheaper({.rows = m, .width = d}, products) == (m <= d));
      CHECK(feature_sums_are_cheaper({.rows = m, .width = d}));  // nothing is sent either way
    }
  }
  // 1,024 rows of width 2,048 on 4 ranks: 6 and 39 GFLOP, 9 and 25 MB. With four times as many, 309
  // and 52 GFLOP, 75 and 25 MB.
  CHECK(batch_side_is_cheaper({.rows = 1024, .width = 2048, .ranks = 4}, 2));
  CHECK_FALSE(batch_side_is_cheaper({.rows = 4096, .width = 2048, .ranks = 4}, 2));
  // Barlow Twins and VICReg of width 8,192: the sum is 470 MB, the rows of all are 59 MB and 412
  // GFLOP more.
  CHECK(feature_sums_are_cheaper({.rows = 2048, .width = 8192, .ranks = 8}));
  CHECK_FALSE(feature_sums_are_cheaper({.rows = 64, .width = 8192, .ranks = 8}));
}

TEST_CASE("on the (d,d) side no embedding leaves its rank, on the (m,m) side one of each pair does") {
  constexpr std::int64_t kWidth = 10, kRanks = 3;
  const auto bytes_of = [&](double side, const std::string& collective) {
    double bytes = 0;
    run_ranks(kRanks, [&](const CommunicatorPtr& ranks) {
      const Device device = make_reference_device();
      const auto counted = std::make_shared<ProfilingCommunicator>(ranks);
      const auto objective = make({"mec", {{"side", side}}}, kWidth, device);
      const BatchRows rows(counted);
      const Tensor p = rows.own(random({kRows, kWidth}, Dtype::f64, device, {.seed = 1}));
      objective->pair(p, p, {.rows = rows});
      if (ranks->rank() > 0) return;  // all count the same
      for (const CollectiveProfile& profile : counted->profiles())
        if (profile.name == collective) bytes += profile.bytes;
    });
    return bytes;
  };
  const double number = 8, others = 2.0 / kRanks, batch = 1, feature = 2;
  CHECK(bytes_of(batch, "all_gather") == doctest::Approx(number * others * (kRows * kWidth + kRows * kRows)));
  CHECK(bytes_of(batch, "all_reduce") == 0);
  // The norm's power iteration applies the matrix 39 times: each time a vector (d) is summed, and
  // one (m) gathered.
  CHECK(bytes_of(feature, "all_reduce") == doctest::Approx(number * 2 * others * (kWidth * kWidth + 39 * kWidth)));
  CHECK(bytes_of(feature, "all_gather") == doctest::Approx(number * others * 39 * kRows));
}
