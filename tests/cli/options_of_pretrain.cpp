// What `mec pretrain` does for each of its options: the same bytes as a run whose settings were
// made by hand, and not those of a run without the option.
#include <filesystem>
#include <functional>
#include <sstream>

#include <nlohmann/json.hpp>

#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/train_run.h"
#include "mec/tensor/devices.h"
#include "support/cpu_kernels.h"
#include "support/option_rows.h"

using namespace mec;
using namespace mec::test;

namespace {

// What a run leaves that is the same each time.
struct Left {
  std::string metrics, encoder, settings;
  bool operator==(const Left&) const = default;
};

struct Fixture : RunFixture {
  Left read(const std::string& run) const {
    return {read_bytes(folder / run / "metrics.jsonl"),
            read_bytes(folder / run / "encoder.safetensors"),
            read_bytes(folder / run / "settings.toml")};
  }
  // By the library, from the config with a change made by hand.
  Left expected(const std::function<void(PretrainSettings&)>& change, const Device& device) const {
    PretrainSettings settings = read_settings(config);
    change(settings);
    const std::filesystem::path out = folder / "expected";
    train_run(settings, device, out);
    const Left left = read("expected");
    std::filesystem::remove_all(out);
    return left;
  }
  Left program(const Words& more) const {
    Words words{"pretrain", config, "--threads", "1", "--out", at("run")};
    words.insert(words.end(), more.begin(), more.end());
    run(words);
    const Left left = read("run");
    std::filesystem::remove_all(folder / "run");
    return left;
  }
};

struct Row {
  Words words;
  std::function<void(PretrainSettings&)> change;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec pretrain trains with what its options say, to the byte") {
  check_rows({"pretrain"},
             {"config", "--out", "--set", "--no-graph", "--precision", "--seed", "--resume", "--resume-with-changes",
              "--within"});
  const Device device = make_cpu_device({.threads = 1});
  const Left base = expected([](PretrainSettings&) {}, device);
  CHECK(program({}) == base);
  CHECK(program({"--no-graph"}) == base);  // it is about GPUs
  const std::vector<Row> rows{
      {{"--precision", "bf16"}, [](PretrainSettings& s) { s.train.precision = "bf16"; }},
      {{"--precision", "f32", "--set", "train.precision=bf16"}, [](PretrainSettings&) {}},
      {{"--seed", "9"}, [](PretrainSettings& s) { s.train.seed = 9; }},
      {{"--seed", "9", "--set", "train.seed=4"}, [](PretrainSettings& s) { s.train.seed = 9; }},
      {{"--set", "train.lr=0.05", "--set", "train.momentum=0.5", "--set", "train.lr=0.07"},
       [](PretrainSettings& s) {
         s.train.lr = 0.07;
         s.train.momentum = 0.5;
       }},
      {{"--set", "model.dim=8", "--set", "train.batch=8", "--set", "model.proj_hidden=8", "--set",
        "method=simsiam"},
       [](PretrainSettings& s) {  // the method comes first, wherever it stands
         choose_method(s, "simsiam");
         s.model.dim = 8;
         s.model.proj_hidden = 8;
         s.train.batch = 8;
       }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.words[1]);
    const Left left = expected(row.change, device);
    CHECK(program(row.words) == left);
    if (row.words.size() != 4 || row.words[1] != "f32") CHECK(left != base);
  }
  CHECK(program({"--device", "reference"}) ==
        expected([](PretrainSettings&) {}, make_reference_device()));
  for (const CpuKernels kernels : {CpuKernels::own, library_kernels()}) {
    const std::string name = kernels == CpuKernels::own ? "own" : "libraries";
    CHECK(program({"--kernels", name}) ==
          expected([](PretrainSettings&) {}, make_cpu_device({.threads = 1, .kernels = kernels})));
  }
}

TEST_CASE_FIXTURE(Fixture, "--nondeterministic says that a run on the GPU cannot be repeated to the bit, and is about GPUs alone") {
  const std::string said = "mec: --nondeterministic: the same run again will have other bits";
  const auto call = [&](const char* device) {
    return run_program(folder, {"pretrain", config, "--device", device, "--nondeterministic", "--set",
                                "data.path=" + at("nothing")});
  };
  const ProgramResult gpu = call("cuda"), cpu = call("cpu");
  CHECK(gpu.status == 1);
  CHECK_MESSAGE(gpu.err.find(said) != std::string::npos, gpu.err);
  CHECK(cpu.err.find(said) == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture,
                  "without --out the run's folder is named after the configuration, in runs/") {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const ProgramResult result = run_program(folder, {"pretrain", config, "--threads", "1"});
  std::filesystem::current_path(before);
  REQUIRE_MESSAGE(result.status == 0, result.err);
  const Left base = expected([](PretrainSettings&) {}, make_cpu_device({.threads = 1}));
  CHECK(read("runs/config") == base);
}

TEST_CASE_FIXTURE(Fixture, "--resume goes on in the folder that it names") {
  const Left base = program({});
  run({"pretrain", config, "--threads", "1", "--out", at("run"), "--set", "train.epochs=2"});
  const ProgramResult result = run({"pretrain", "--resume", at("run"), "--threads", "1"});
  CHECK(result.out == at("run") + ": training has ended already, after 2 epochs\n");
  CHECK(read("run") == base);
}

TEST_CASE_FIXTURE(Fixture, "the last line of progress has the numbers of metrics.jsonl") {
  const ProgramResult result = run({"pretrain", config, "--threads", "1", "--out", at("run")});
  const std::string metrics = read("run").metrics;
  const auto last =
      nlohmann::json::parse(metrics.substr(metrics.rfind('\n', metrics.size() - 2) + 1));
  char numbers[128];
  std::snprintf(numbers, sizeof numbers, "  loss %.4f  coding length %.1f  norm %.3f",
                last.at("loss").get<double>(), last.at("coding_length").get<double>(),
                last.at("spectral_norm").get<double>());
  CHECK(result.out.find("epoch 2  step 4/4") != std::string::npos);
  CHECK(result.out.find(numbers) != std::string::npos);
}
