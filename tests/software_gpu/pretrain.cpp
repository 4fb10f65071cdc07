// The whole program on a GPU made of software.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  Fixture() { ::setenv("MEC_PROGRAM", MEC_ON_SOFTWARE_GPU, 1); }

  std::vector<std::string> arguments(const std::string& out, const std::string& device) const {
    return {"pretrain", config, "--threads", "1", "--out", at(out), "--device", device, "--set", "train.epochs=3"};
  }
  std::vector<double> losses(const std::string& out) const {
    std::vector<double> values;
    std::istringstream lines(read_bytes(folder / out / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) values.push_back(nlohmann::json::parse(line).at("loss"));
    return values;
  }
};

}  // namespace

// Rounding differs, and grows from step to step.
TEST_CASE_FIXTURE(Fixture, "software GPU: mec pretrain trains as on the CPU") {
  const ProgramResult result = run(arguments("gpu", "cuda"));
  CHECK(result.err.empty());
  run(arguments("cpu", "cpu"));
  const std::vector<double> gpu = losses("gpu"), cpu = losses("cpu");
  REQUIRE(gpu.size() == 6);
  REQUIRE(cpu.size() == 6);
  for (std::size_t step = 0; step < cpu.size(); ++step) CHECK(gpu[step] == doctest::Approx(cpu[step]).epsilon(1e-3));
  CHECK(std::filesystem::exists(folder / "gpu/convolution_plans.json"));
}

TEST_CASE_FIXTURE(Fixture, "software GPU: a run that was killed and resumed has the weights of one that was not") {
  run(arguments("whole", "cuda"));
  stop_early(arguments("run", "cuda"), "run", 6);
  const ProgramResult resumed = run({"pretrain", "--threads", "1", "--device", "cuda", "--resume", at("run")});
  CHECK(resumed.err.empty());
  CHECK(read_bytes(folder / "run/encoder.safetensors") == read_bytes(folder / "whole/encoder.safetensors"));
  CHECK(losses("run") == losses("whole"));
}

// Scores run between replays of the step.
TEST_CASE_FIXTURE(Fixture, "software GPU: scores change no bit of training, and are resumed to the bit") {
  const auto scored = [&](const std::string& out) {
    std::vector<std::string> all = arguments(out, "cuda");
    all.insert(all.end(), {"--set", "eval.every_epochs=1"});
    return all;
  };
  const auto line_of_scores = [&](const std::string& out) {
    const std::string metrics = read_bytes(folder / out / "metrics.jsonl");
    return metrics.substr(metrics.find("{\"epoch\":3,"));
  };
  run(arguments("plain", "cuda"));
  run(scored("scored"));
  for (const char* file : {"encoder.safetensors", "checkpoint-6.safetensors"})
    CHECK(read_bytes(folder / "scored" / file) == read_bytes(folder / "plain" / file));
  CHECK(nlohmann::json::parse(line_of_scores("scored")).at("teacher_knn") <= 1);
  stop_early(scored("run"), "run", 6);
  run({"pretrain", "--threads", "1", "--device", "cuda", "--resume", at("run")});
  CHECK(line_of_scores("run") == line_of_scores("scored"));
  CHECK(read_bytes(folder / "run/encoder-best.safetensors") == read_bytes(folder / "scored/encoder-best.safetensors"));
}
