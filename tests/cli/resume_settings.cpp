// With what a run goes on: the one command, its settings, the checkpoint that is taken.
#include <limits>

#include "cli/resumed_run.h"
#include "mec/nn/files/checkpoint.h"
#include "mec/tensor/arithmetic.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/safetensors.h"

using namespace mec;
using namespace mec::test;

TEST_CASE_FIXTURE(ResumeFixture, "a run does not go on with other bits without a word") {
  run(start("run", "mec", {"train.epochs=2"}));
  CHECK(run({"pretrain", "--threads", "2", "--resume", at("run")}).err.empty());  // it is complete
  const auto longer = [&](const std::string& epochs, const std::vector<std::string>& more, const char* threads = "1") {
    std::vector<std::string> all = start("run", "mec", {"train.epochs=" + epochs});
    all.at(2) = threads;
    all.emplace_back("--resume-with-changes");
    all.insert(all.end(), more.begin(), more.end());
    return run(all).err;
  };
  const std::string before = read_safetensors_metadata(newest_checkpoint_in(at("run")).path).at("computed_on");
  CHECK(before == describe_arithmetic("cpu", {.threads = 1}));
  CHECK(longer("3", {}).empty());
  CHECK(longer("4", {"--device", "reference"}) ==
        concat("mec: ", at("run"), " was trained on ", before, "; on reference it goes on with other bits\n"));
  CHECK(longer("5", {"--kernels", "own"}).find(" was trained on reference; on cpu with its own kernels (") !=
        std::string::npos);
  // The number of threads matters to the libraries' kernels alone.
  CHECK(longer("6", {"--kernels", "own"}, "2").empty());
  if (has_cpu_libraries()) {
    CHECK(longer("7", {"--kernels", "libraries"}).find("1 thread) it goes on with other bits") != std::string::npos);
    CHECK(longer("8", {"--kernels", "libraries"}, "2").find("2 threads) it goes on") != std::string::npos);
  }
}

TEST_CASE_FIXTURE(ResumeFixture, "a run that is named by its folder takes its settings from there alone") {
  run(start("run", "mec"));
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--out", at("other")}, {"--set", "train.lr=1"}, {"--seed", "1"}, {"--precision", "bf16"}}) {
    std::vector<std::string> arguments = resume("run");
    arguments.insert(arguments.end(), more.begin(), more.end());
    fails(2, more[0] + " excludes --resume DIR", arguments);
  }
  std::vector<std::string> both = resume("run");
  both.push_back(config);
  fails(2, "config.toml", both);
  fails(2, "is a folder; a run in it goes on with --resume", {"pretrain", at("run")});
  fails(2, "--out DIR --resume-with-changes", {"pretrain", at("run"), "--resume-with-changes"});
  fails(2, "--resume takes CONFIG or the folder of a run", {"pretrain", "--resume"});
}

TEST_CASE_FIXTURE(ResumeFixture, "one command begins, goes on, and is done") {
  run(start("whole", "mec"));
  const auto killed = [&] { return run_until(go("run", "mec"), [&] { return newest_checkpoint_in(at("run")).step > 0; }); };
  for (int attempt = 0; killed(); ++attempt) {
    REQUIRE(attempt < 20);  // it ended before it was killed
    std::filesystem::remove_all(at("run"));
  }
  if (newest_checkpoint_in(at("run")).step < 40)
    CHECK(run(go("run", "mec")).out.find(concat("resuming ", at("run"), " at epoch ")) == 0);
  check_same("run", "whole");
  // Done, and in no need of the images.
  std::filesystem::remove_all(at("data"));
  CHECK(run(go("run", "mec")).out == at("run") + ": training has ended already, after 4 epochs\n");
  fails(1,
        "train.lr is 0.05 in the checkpoint, but 0.1 here; go on with the settings that it was made with, with these by "
        "--resume-with-changes, or start a new run",
        go("run", "mec", {"train.lr=0.1"}));
}

TEST_CASE_FIXTURE(ResumeFixture,
                  "settings that change nothing of training may be other ones when a run goes on, and are kept") {
  run(start("whole", "mec"));
  stop_early();
  run(go("run", "mec", {"train.checkpoint_steps=7", "data.workers=2", "train.checkpoints_kept=3"}));
  CHECK(read_bytes(folder / "run/settings.toml").find("checkpoint_steps = 7\n") != std::string::npos);
  for (const char* file : {"metrics.jsonl", "encoder.safetensors", "checkpoint-40.safetensors"}) {
    CHECK(read_bytes(folder / "run" / file) == read_bytes(folder / "whole" / file));
  }
}

TEST_CASE_FIXTURE(ResumeFixture, "a run goes on with other settings where that is wanted, and its folder says so") {
  run(start("run", "mec", {"train.epochs=2"}));
  std::vector<std::string> other = start("run", "mec", {"train.epochs=3", "train.weight_decay=0.01"});
  other.emplace_back("--resume-with-changes");
  run(other);
  CHECK(read_bytes(folder / "run/changes.jsonl") == R"({"step":20,"setting":"train.epochs","was":"2","is":"3"}
{"step":20,"setting":"train.weight_decay","was":"1e-05","is":"0.01"}
)");
  CHECK(read_bytes(folder / "run/settings.toml").find("weight_decay = 0.01\n") != std::string::npos);
  CHECK(std::ranges::count(read_bytes(folder / "run/metrics.jsonl"), '\n') == 30);
  run(other);  // complete, with these settings
  CHECK(std::ranges::count(read_bytes(folder / "run/changes.jsonl"), '\n') == 2);
  // What the checkpoint cannot hold is still refused.
  std::vector<std::string> wider = start("run", "mec", {"train.epochs=4", "model.dim=8"});
  wider.emplace_back("--resume-with-changes");
  fails(1, "the checkpoint does not fit; ", wider);
}

TEST_CASE_FIXTURE(ResumeFixture, "a run that is killed right after it went on with other settings goes on with them") {
  const std::vector<std::string> rare{"train.epochs=200", "train.checkpoint_epochs=200"};
  run(start("run", "mec", {"train.epochs=2"}));
  const auto lines = [&] { return std::filesystem::file_size(at("run/metrics.jsonl")); };
  const std::uintmax_t before = lines();
  std::vector<std::string> other = start("run", "mec", rare);
  other.emplace_back("--resume-with-changes");
  REQUIRE_FALSE(run_until(other, [&] { return lines() > before + 500; }));
  const FoundCheckpoint rewritten = newest_checkpoint_in(at("run"));
  CHECK(rewritten.step == 20);
  CHECK(read_safetensors_metadata(rewritten.path).at("train.epochs") == "200");
  std::filesystem::resize_file(at("run/metrics.jsonl"), before);
  CHECK_FALSE(run_until(go("run", "mec", rare), [&] { return lines() > before + 500; }));
}

namespace {

struct PassedOver : ResumeFixture {
  PassedOver() {
    run(start("whole", "mec", {"train.checkpoints_kept=5"}));
    make_run();
  }
  void make_run() {
    std::filesystem::remove_all(at("run"));
    std::filesystem::copy(at("whole"), at("run"));
    found.clear();
    for (FoundCheckpoint newest; (newest = newest_checkpoint_in(at("run"))).step > 0;) {
      found.push_back(newest);
      std::filesystem::rename(newest.path, newest.path.string() + ".away");
    }
    for (const FoundCheckpoint& one : found) std::filesystem::rename(one.path.string() + ".away", one.path);
    REQUIRE(found.size() >= 2);
  }
  // The newest one is passed over with that reason, and the run ends with the bits of `whole`.
  void check_goes_on(const std::string& why) const {
    const ProgramResult result = run(resume("run"));
    CAPTURE(result.err);
    CHECK(result.err.starts_with(concat("mec: ", why)));
    CHECK(result.err.ends_with(concat("; passed over, going on from ", found[1].path.filename().string(), "\n")));
    CHECK(std::ranges::count(result.err, '\n') == 1);
    check_same("run", "whole");
  }

  std::vector<FoundCheckpoint> found;  // the newest first
};

}  // namespace

TEST_CASE_FIXTURE(PassedOver, "a damaged checkpoint is passed over for the one before it, which is said") {
  const std::filesystem::path newest = found[0].path;
  std::string bytes = read_bytes(newest);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_bytes(newest, bytes);
  check_goes_on(concat(newest.string(), ": the checkpoint is damaged: "));
}

TEST_CASE_FIXTURE(PassedOver, "a checkpoint that is as it was written, but holds values that no network has, is passed over") {
  const std::filesystem::path newest = found[0].path;
  const SafetensorsFile content = load_state(newest);
  for (const double value : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const std::string name : {"online.encoder.bn1.weight", "momentum.encoder.bn1.bias"}) {
      make_run();
      State state;
      for (const NamedTensor& named : content.tensors) {
        state.push_back({.name = named.name, .tensor = named.tensor.clone()});
        if (named.name == name) state.back().tensor.fill(value);
      }
      save_state(newest, state, content.metadata);
      check_goes_on(concat(newest.string(), ": no network has such a weight: ", name, "[0] is ", value, ", but"));
    }
  }
}

TEST_CASE_FIXTURE(PassedOver, "a checkpoint whose lines are missing or cut off is passed over for one that has its lines") {
  const std::string next = concat(", but ", found[0].path.filename().string(), " counts on it; passed over");
  for (const std::string file : {"metrics.jsonl", "timings.jsonl"}) {
    for (const int cut : {1, 200}) {  // within the last line, and some lines
      make_run();
      const std::string lines = read_bytes(at("run/" + file));
      const std::string left = lines.substr(0, lines.size() - static_cast<std::size_t>(cut));
      write_bytes(at("run/" + file), left);
      const auto line = std::ranges::count(left, '\n') + 1;
      REQUIRE(line > found[1].step);
      check_goes_on(concat(at("run/" + file), ": the line of step ", line, " is missing", next));
    }
  }
  make_run();
  std::filesystem::remove(at("run/metrics.jsonl"));
  fails(1, "metrics.jsonl: the line of step 1 is missing, but checkpoint-", resume("run"));
}
