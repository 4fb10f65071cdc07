// Several processes, each with a GPU made of software, between which NCCL's stand-in moves data.
#include "dist/launched.h"

using namespace mec;
using namespace mec::test;

namespace {

std::vector<std::string> with_gpus(int gpus, int patience = 600) {
  std::vector<std::string> variables = impatient(patience);
  variables.push_back(concat("MEC_SOFTWARE_GPUS=", gpus));
  return variables;
}

ProgramResult run_suite(int processes, const std::string& suite, int patience = 600) {
  const TempFolder folder;
  Process process(MEC_MPIEXEC,
                  {"-n", std::to_string(processes), MEC_TEST_ON_SOFTWARE_GPU, "--no-skip", "--test-suite=" + suite},
                  with_gpus(processes, patience), folder / "out", folder / "err");
  const int status = process.wait();
  return {.status = status, .out = read_bytes(folder / "out"), .err = read_bytes(folder / "err")};
}

void check_rules(int processes) {
  const ProgramResult result = run_suite(processes, "launched with GPUs");
  CAPTURE(result.out);
  CAPTURE(result.err);
  CHECK(result.status == 0);
}

// Runs of ten steps.
struct OnGpus : Launched {
  OnGpus() { ::setenv("MEC_PROGRAM", MEC_ON_SOFTWARE_GPU, 1); }
  ~OnGpus() { ::unsetenv("MEC_PROGRAM"); }

  ProgramResult train(int processes, int gpus, const std::string& name, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = command(name, "mec", {"train.epochs=1", "train.warmup_epochs=0"});
    words.insert(words.end(), {"--device", "cuda"});
    words.insert(words.end(), more.begin(), more.end());
    Process process(MEC_MPIEXEC, launch(processes, words), with_gpus(gpus), out, err);
    const int status = process.wait();
    ProgramResult result{.status = status, .out = read_bytes(out), .err = read_bytes(err)};
    CAPTURE(result.err);
    REQUIRE(status == 0);
    return result;
  }
};

}  // namespace

TEST_CASE("GPUs keep the rules of a communicator") { check_rules(2); }

TEST_CASE("a GPU that waits in vain ends all processes, with one line that says so") {
  const ProgramResult result = run_suite(2, "GPUs in vain", 2);
  CAPTURE(result.err);
  CHECK(result.status == 3);
  CHECK(result.err.find("NCCL: other processes have not come for 2 s") != std::string::npos);
}

TEST_CASE("GPUs that wait for nothing need no patience") {
  const ProgramResult result = run_suite(2, "GPUs at rest", 2);
  CAPTURE(result.err);
  CHECK(result.status == 0);
}

TEST_CASE("GPUs that are given different work end all processes") {
  const ProgramResult result = run_suite(2, "GPUs at odds");
  CAPTURE(result.err);
  CHECK(result.status == 3);
  CHECK(result.err.find("NCCL: invalid usage") != std::string::npos);
}

TEST_CASE_FIXTURE(OnGpus, "two GPUs train as one does, and to the same bits from recorded steps and from eager ones") {
  train(1, 1, "one");
  const ProgramResult result = train(2, 2, "two");
  CHECK(result.err.empty());
  const std::vector<double> one = losses("one"), two = losses("two");
  REQUIRE(two.size() == one.size());
  for (std::size_t step = 0; step < 3; ++step)  // later, rounding has grown
    CHECK(two[step] == doctest::Approx(one[step]).epsilon(1e-3).scale(0.1));
  train(2, 2, "eager", {"--no-graph"});
  check_same("eager", "two");
}

// In the last round of batches one of the two has none left.
TEST_CASE_FIXTURE(OnGpus, "two GPUs score encoders on an odd number of batches") {
  train(2, 2, "scored", {"--set", "eval.every_epochs=1"});
  CHECK(values("scored", "knn").size() == 1);
  CHECK(losses("scored").size() == 10);
}

TEST_CASE_FIXTURE(OnGpus, "steps of two GPUs are recorded, but not those of processes that share one") {
  for (const int gpus : {2, 1}) {
    Process process(MEC_MPIEXEC,
                    launch(2, {"bench", "step", "--device", "cuda", "--threads", "1", "--arch", "resnet10", "--stem", "cifar",
                               "--width", "4", "--size", "8", "--batch", "4", "--steps", "2"}),
                    with_gpus(gpus), out, err);
    CHECK(process.wait() == 0);
    CAPTURE(read_bytes(err));
    const auto report = nlohmann::json::parse(read_bytes(out));
    CHECK(report.at("captured") == (gpus == 2));
    CHECK(report.at("collectives").get<std::string>().starts_with(gpus == 2 ? "NCCL 2." : ""));
  }
}

// Each process has its own seed, which the second one finds out after the GPUs have met.
TEST_CASE_FIXTURE(OnGpus, "an error of one of the processes with GPUs is what is told") {
  std::string line = "exec '" + program_path().string() + "'";
  for (const std::string& word : start("run", "mec")) line += " '" + word + "'";
  line += " --device cuda --seed $OMPI_COMM_WORLD_RANK";
  Process process(MEC_MPIEXEC, {"-n", "2", "/bin/sh", "-c", line}, with_gpus(2), out, err);
  CHECK(process.wait() == 1);
  const std::string said = read_bytes(err);
  CAPTURE(said);
  CHECK(said.find("error: process 1 of 2, on ") != std::string::npos);
  CHECK(said.find("this one has train.seed = 1") != std::string::npos);
  CHECK(said.find("NCCL") == std::string::npos);
}

TEST_CASE_FIXTURE(OnGpus, "processes that share a GPU train by way of the host, and say so") {
  const ProgramResult result = train(2, 1, "shared");
  CHECK(result.err.find("tensors go by way of the host, since processes share a GPU") != std::string::npos);
  CHECK(losses("shared").size() == 10);
}

TEST_SUITE("slow") {
  TEST_CASE("three GPUs keep the rules of a communicator") { check_rules(3); }

  TEST_CASE_FIXTURE(OnGpus, "GPUs stop at a signal with a checkpoint, and go on to the same bits") {
    REQUIRE(train(2, 2, "whole", {"--set", "train.epochs=2"}).status == 0);
    std::vector<std::string> words = command("run", "mec", {"train.warmup_epochs=0", "train.epochs=2"});
    words.insert(words.end(), {"--device", "cuda"});
    Process process(MEC_MPIEXEC, launch(2, words), with_gpus(2), out, err);
    REQUIRE_FALSE(process.wait_until([&] { return newest_checkpoint_in(at("run")).step > 3; }));
    process.send(SIGUSR1);
    CHECK(process.wait() == 75);
    CHECK(read_bytes(err).find("NCCL") == std::string::npos);
    train(2, 2, "run", {"--set", "train.epochs=2"});
    check_same("run", "whole");
  }
}
