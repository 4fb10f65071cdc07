// What `mec bench` measures for its options: the step, loss and batch that they name. Each number
// that is no time is compared; how many steps were run shows in the loss of the last.
#include <sstream>

#include <nlohmann/json.hpp>

#include "mec/ssl/losses/pair.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/random_step.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/option_rows.h"

using namespace mec;
using namespace mec::test;
using nlohmann::json;

namespace {

json bench(Words words) {
  const TempFolder folder;
  words.insert(words.begin(), "bench");
  words.insert(words.end(), {"--threads", "1"});
  const ProgramResult result = run_program(folder, words);
  REQUIRE_MESSAGE(result.status == 0, result.err);
  return json::parse(result.out);
}

}  // namespace

TEST_CASE("mec bench step runs the step of its options") {
  check_rows({"bench", "step"}, {"--method", "--arch", "--stem", "--width", "--channels", "--size", "--batch", "--accumulate",
                                 "--dim", "--proj-hidden", "--pred-hidden", "--precision", "--warmup", "--steps", "--no-graph",
                                 "--profile", "--floor", "--floor-calls", "--plans"});
  const json out = bench(
      {"step", "--method",      "byol", "--arch",      "resnet10", "--stem",       "imagenet", "--width", "8",  "--channels",
       "1",    "--size",        "40",   "--batch",     "6",        "--accumulate", "3",        "--dim",   "16", "--proj-hidden",
       "20",   "--pred-hidden", "12",   "--precision", "bf16",     "--warmup",     "1",        "--steps", "2",  "--no-graph"});
  PretrainSettings settings;
  choose_method(settings, "byol");
  settings.model.arch = "resnet10";
  settings.model.stem = "imagenet";
  settings.model.width = 8;
  settings.model.dim = 16;
  settings.model.proj_hidden = 20;
  settings.model.pred_hidden = 12;
  settings.train.batch = 6;
  settings.train.accumulate = 3;
  settings.train.precision = "bf16";
  RandomStep step(settings, {.views = {{40, 40}, {40, 40}}, .channels = 1}, make_cpu_device({.threads = 1}));
  double loss = 0;
  for (int i = 0; i < 1 + 2; ++i) loss = step.run();
  CHECK(out.at("loss") == loss);
  const json told{{"method", "byol"}, {"arch", "resnet10"}, {"stem", "imagenet"}, {"width", 8},
                  {"size", 40},       {"batch", 6},         {"accumulate", 3},    {"dim", 16},
                  {"dtype", "bf16"},  {"mu", 11.0},         {"captured", false},  {"deterministic", true}};
  for (const auto& item : told.items()) CHECK_MESSAGE(out.at(item.key()) == item.value(), item.key());
  const double ms = out.at("step_ms");
  CHECK(out.at("min_ms") <= ms);
  CHECK(out.at("images_per_s").get<double>() == doctest::Approx(6e3 / ms).epsilon(0.02));  // both are rounded
}

TEST_CASE("mec bench loss takes the loss of its options") {
  check_rows({"bench", "loss"}, {"--rows", "--width", "--order", "--warmup", "--steps"});
  const json out = bench({"loss", "--rows", "7", "--width", "5", "--order", "2", "--warmup", "0", "--steps", "1"});
  const Device device = make_cpu_device({.threads = 1});
  const Tensor p = random({7, 5}, Dtype::f32, device, {.seed = 1}), z = random({7, 5}, Dtype::f32, device, {.seed = 2});
  const CodingResult expected = coding_length_pair(p, z, coding_lambda(z, 5), {.order = 2}, {.dp = true, .dz = true});
  CHECK(out.at("loss") == at(expected.metrics.to(Dtype::f64).to_vector<double>(), CodingMetric::loss));
  CHECK(out.at("rows") == 7);
  CHECK(out.at("width") == 5);
  CHECK(out.at("order") == 2);
}

TEST_CASE("mec bench ops and mec info have no other options than their tests in bench.cpp know") {
  check_rows({"bench", "ops"}, {"--network", "--batch", "--precision", "--calls", "--compare"});
  CHECK(options_of({"info"}) == std::set<std::string>{"dir"});
}
