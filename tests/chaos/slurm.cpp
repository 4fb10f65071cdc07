// examples/slurm/pretrain.sh, with stand-ins for Slurm's programs: it is requeued until the run is
// done.
#include <csignal>
#include <cstdlib>

#include "chaos/chaotic_run.h"
#include "support/paths.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : ChaoticRun {
  Fixture() {
    program("srun", "exec \"$@\"");
    program("scontrol", "echo \"$@\" >>'" + at("requests.txt") + "'");
    std::filesystem::create_symlink(program_path(), folder / "bin/mec");
  }
  void program(const std::string& name, const std::string& script) const {
    write_bytes(folder / "bin" / name, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(folder / "bin" / name, std::filesystem::perms::owner_all);
  }
  std::string requests() const {
    return std::filesystem::exists(at("requests.txt")) ? read_bytes(folder / "requests.txt") : "";
  }
  // A job of the run, which gets the signal once it has made some steps; its status.
  int job(const std::string& name, int signal = 0, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{(source_dir() / "examples/slurm/pretrain.sh").string()};
    std::vector<std::string> command = long_command(name);
    words.insert(words.end(), {config, at(name)});
    // After CONFIG and --out, which the job gives itself.
    for (std::size_t i = 0; i < command.size(); ++i) {
      if (command[i] == "--set" || command[i] == "--threads") words.insert(words.end(), {command[i], command[i + 1]});
    }
    words.insert(words.end(), more.begin(), more.end());
    Process process("/bin/bash", words, {"PATH=" + at("bin") + ":" + std::getenv("PATH"), "SLURM_JOB_ID=17"}, at("out.txt"),
                    at("err.txt"));
    const auto lines = [&] {
      std::error_code none;
      const auto bytes = std::filesystem::file_size(at(name + "/metrics.jsonl"), none);
      return none ? 0 : bytes;
    };
    const std::uintmax_t before = lines();
    if (signal != 0) {
      REQUIRE_FALSE(process.wait_until([&] { return lines() > before + 2000; }));
      process.send(signal);
    }
    return process.wait();
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a job is requeued after SIGUSR1 until its run is done, with the bits of one that was not stopped") {
  run(long_command("whole"));
  for (int stops = 1; stops <= 3; ++stops) {
    CHECK(job("run", SIGUSR1) == 75);
    CHECK(requests() == [&] {
      std::string all;
      for (int i = 0; i < stops; ++i) all += "requeue 17\n";
      return all;
    }());
  }
  CHECK(job("run") == 0);
  CHECK(job("run") == 0);  // requeued by someone else: it is done
  CHECK(requests() == "requeue 17\nrequeue 17\nrequeue 17\n");
  check_same("run", "whole");
}

TEST_CASE_FIXTURE(Fixture, "a job that is cancelled, or that fails, is not requeued") {
  CHECK(job("run", SIGTERM) == 143);
  CHECK(newest_checkpoint_in(at("run")).step > 0);
  CHECK(job("run", 0, {"--set", "train.lr=1"}) == 1);
  CHECK(requests().empty());
}
