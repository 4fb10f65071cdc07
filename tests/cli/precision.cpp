// Training in bf16 must end where training in f32 ends, up to what another seed changes. Minutes:
// label `slow`.
#include <doctest/doctest.h>
#include <cmath>
#include <nlohmann/json.hpp>

#include "support/paths.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr int kSeeds = 3;

// Linear probe, in percent, after two epochs of the demo on 20,000 images.
double accuracy(const TempFolder& folder, const std::string& data, const std::string& precision, int seed) {
  const std::string out = (folder / concat(precision, seed)).string();
  const std::string config = (source_dir() / "examples/configs/fashion_mnist.toml").string();
  const ProgramResult trained =
      run_program(folder, {"pretrain", config, "--out", out, "--precision", precision, "--seed", std::to_string(seed), "--set",
                           "train.epochs=2", "--set", "data.limit=20000", "--set", "data.path=" + data});
  REQUIRE_MESSAGE(trained.status == 0, trained.err);
  const ProgramResult probed = run_program(folder, {"eval", "linear", out, "--no-baselines", "--json"});
  REQUIRE_MESSAGE(probed.status == 0, probed.err);
  return 100 * nlohmann::json::parse(probed.out).at("rows").at(0).at("linear_accuracy").get<double>();
}

struct Sample {
  double mean = 0, variance = 0;
};

Sample sample(const TempFolder& folder, const std::string& data, const std::string& precision) {
  std::vector<double> values;
  for (int seed = 0; seed < kSeeds; ++seed) values.push_back(accuracy(folder, data, precision, seed));
  Sample out;
  for (const double value : values) out.mean += value / kSeeds;
  for (const double value : values) out.variance += (value - out.mean) * (value - out.mean) / (kSeeds - 1);
  MESSAGE(precision, ": ", values[0], " ", values[1], " ", values[2], ", mean ", out.mean);
  return out;
}

}  // namespace

TEST_SUITE_BEGIN("slow");

TEST_CASE("bf16 training ends within noise of f32 on Fashion-MNIST") {
  const TempFolder folder;
  std::string data = (source_dir() / ".deps/usr/share/datasets/fashion-mnist").string();
  if (!std::filesystem::exists(data)) data = "/usr/share/datasets/fashion-mnist";
  REQUIRE_MESSAGE(std::filesystem::exists(data), "tools/setup.sh installs the images");
  const Sample f32 = sample(folder, data, "f32"), bf16 = sample(folder, data, "bf16");
  // Three standard errors of the difference: seeds, and 10,000 test images at p = 0.85, whose
  // accuracy has a deviation of √(p(1 − p)/10,000) = 0.36 points.
  const double noise = 3 * std::sqrt((f32.variance + bf16.variance + 2 * 0.36 * 0.36) / kSeeds);
  CHECK(std::fabs(f32.mean - bf16.mean) <= noise);
  CHECK(bf16.mean > 75);  // both could be bad alike; a random encoder has 66
}

TEST_SUITE_END();
