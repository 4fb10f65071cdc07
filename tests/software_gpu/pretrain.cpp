// The whole program on a GPU made of software.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "mec/tensor/io/safetensors.h"
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

  // A run in "run" that was killed after a checkpoint, and before its last one.
  void stop_early() const {
    const auto checkpoint = folder / "run/checkpoint.safetensors";
    for (int attempt = 0; attempt < 10; ++attempt) {  // a busy machine may look too late
      std::filesystem::remove_all(folder / "run");
      run_until_there(checkpoint);
      if (read_safetensors_metadata(checkpoint).at("step") != "6") return;
    }
    FAIL("the run always ended before it was killed");
  }

 private:
  void run_until_there(const std::filesystem::path& file) const {
    std::vector<std::string> words = arguments("run", "cuda");
    words.insert(words.begin(), MEC_ON_SOFTWARE_GPU);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(STDOUT_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    int status = 0;
    bool ended = false;
    while (!ended && !std::filesystem::exists(file)) {
      ::usleep(1000);
      ended = ::waitpid(child, &status, WNOHANG) == child;
    }
    if (!ended) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
    }
    REQUIRE(std::filesystem::exists(file));
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
  stop_early();
  const ProgramResult resumed = run({"pretrain", "--threads", "1", "--device", "cuda", "--resume", at("run")});
  CHECK(resumed.err.empty());
  CHECK(read_bytes(folder / "run/encoder.safetensors") == read_bytes(folder / "whole/encoder.safetensors"));
  CHECK(losses("run") == losses("whole"));
}
