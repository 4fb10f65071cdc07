// Processes of a launch that are killed or hang: the others end and say which, and the run goes on.
#include <unistd.h>

#include <chrono>
#include <thread>

#include "dist/launched.h"
#include "mec/tensor/philox.h"

using namespace mec;
using namespace mec::test;

namespace {

std::string here() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

// A launch of which one process is killed or stopped.
struct Struck : Launched {
  static constexpr int kPatience = 8;  // longer than a busy machine or a disk keeps anyone waiting
  RandomStream draw{20, 0, 0, Purpose::test};
  int killed = 0, stopped = 0, unnamed = 0, after_the_end = 0;

  // Goes on with the run, and strikes once, within this time. Whether it has been ended by that.
  bool ends_struck(std::chrono::steady_clock::duration within) {
    Process process(MEC_MPIEXEC, launch(2, command("run")), impatient(kPatience), out, err);
    const auto instant = std::chrono::steady_clock::now() + within * draw.below(1000) / 1000;
    const bool ended = process.wait_until([&] { return std::chrono::steady_clock::now() > instant; });
    const std::vector<pid_t> ranks = ended ? std::vector<pid_t>() : ranks_of("run");
    const int signal = killed <= stopped ? SIGKILL : SIGSTOP;
    const std::uint32_t which = draw.below(2);
    if (ranks.size() < 2) return process.wait() != 0;  // none has begun, or one has ended
    const pid_t victim = ranks[which];
    const std::string rank = rank_of(victim);
    ::kill(victim, signal);
    if (signal == SIGSTOP) end_after_the_others(process, victim);
    if (process.wait() == 0) return false;
    (signal == SIGKILL ? killed : stopped) += 1;
    check_says(signal, rank);
    return true;
  }

 private:
  // The others end, and the launcher ends the one that hangs; but where that one has nothing left
  // to do than to exit, it is for us to end.
  void end_after_the_others(Process& process, pid_t victim) {
    const auto others_ended = [&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      return ranks_of("run") == std::vector<pid_t>{victim};
    };
    if (process.wait_until(others_ended)) return;
    const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    if (process.wait_until([&] { return std::chrono::steady_clock::now() > soon; })) return;
    CHECK(read_bytes(err).find("error: ") == std::string::npos);
    ++after_the_end;
    ::kill(victim, SIGKILL);
  }
  void check_says(int signal, const std::string& rank) {
    const std::string said = read_bytes(err);
    CAPTURE(said);
    CAPTURE(rank);
    if (signal == SIGKILL || said.find("error: ") == std::string::npos) {  // the launcher says it
      CHECK(said.find(concat("process rank ", rank, " with PID")) != std::string::npos);
      CHECK(said.find("on node " + here() + " exited on signal 9") != std::string::npos);
    } else if (said.find("error: MPI does not ") != std::string::npos) {
      ++unnamed;
    } else {
      CHECK(said.find(concat("have not come for ", kPatience, " s (MEC_PATIENCE): process ", rank, " on ", here(), ";")) !=
            std::string::npos);
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(Launched, "a process that is killed ends the others, and the run goes on to the same bits") {
  REQUIRE(run_in(2, command("whole")).status == 0);
  for (int attempt = 0;; ++attempt) {
    REQUIRE(attempt < 20);
    std::filesystem::remove_all(at("run"));
    Process process(MEC_MPIEXEC, launch(2, command("run")), kVariables, out, err);
    if (process.wait_until([&] { return newest_checkpoint_in(at("run")).step > 3; })) continue;
    const std::vector<pid_t> ranks = ranks_of("run");
    if (ranks.empty()) continue;  // it has ended
    ::kill(ranks.front(), SIGKILL);
    const auto killed = std::chrono::steady_clock::now();
    if (process.wait() == 0) continue;
    CHECK(std::chrono::steady_clock::now() - killed < std::chrono::seconds(30));
    break;
  }
  const ProgramResult result = run_in(2, command("run"));
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  check_same("run", "whole");
}

TEST_CASE_FIXTURE(Launched, "a process that hangs ends the others after their patience, and they say which it is") {
  Process process(MEC_MPIEXEC, launch(3, command("run", "mec", {"train.epochs=4000", "train.batch=18"})), impatient(5), out,
                  err);
  REQUIRE_FALSE(process.wait_until([&] { return newest_checkpoint_in(at("run")).step > 3; }));
  const std::vector<pid_t> ranks = ranks_of("run");
  REQUIRE(ranks.size() == 3);
  const std::string rank = rank_of(ranks[1]);
  ::kill(ranks[1], SIGSTOP);
  CHECK(process.wait() != 0);
  const std::string said = read_bytes(err);
  CAPTURE(said);
  CHECK(said.find(concat("other processes have not come for 5 s (MEC_PATIENCE): process ", rank, " on ", here(),
                         "; a process hangs")) != std::string::npos);
}

TEST_CASE_FIXTURE(Launched, "a process that does not come to the beginning, or to the end, ends the others") {
  const auto hangs = [&](const std::vector<std::string>& words) {
    Process process(MEC_MPIEXEC, words, impatient(5), out, err);
    CHECK(process.wait() != 0);
    return read_bytes(err);
  };
  // A shell in each process; the last one waits for what does not come.
  const std::string line = "[ $OMPI_COMM_WORLD_RANK = 0 ] || exec sleep 1000; exec '" + program_path().string() +
                           "' bench step --width 4 --batch 6 --threads 1";
  CHECK(hangs({"-n", "2", "/bin/sh", "-c", line})
            .find("error: MPI does not begin: other processes have not come for 5 s (MEC_PATIENCE)") != std::string::npos);
  CHECK(hangs({"-n", "3", MEC_TEST_DISTRIBUTED, "--no-skip", "--test-suite=hangs"})
            .find("error: MPI: other processes have not come for 5 s (MEC_PATIENCE): process 1 on " + here() + ";") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(Launched, "a patience that is no number is refused") {
  std::vector<std::string> wrong = kVariables;
  wrong.emplace_back("MEC_PATIENCE=30m");
  Process process(MEC_MPIEXEC, launch(2, command("run")), wrong, out, err);
  CHECK(process.wait() == 1);
  CHECK(read_bytes(err).find("MEC_PATIENCE is a number of seconds from 1, but is '30m'") != std::string::npos);
}

TEST_SUITE("slow") {
  TEST_CASE_FIXTURE(Struck, "one process killed or stopped, at twenty instants that a seed says, costs no bit") {
    const auto began = std::chrono::steady_clock::now();
    REQUIRE(run_in(2, command("whole")).status == 0);
    const auto whole = std::chrono::steady_clock::now() - began;
    for (int attempt = 0; killed + stopped < 20; ++attempt) {
      REQUIRE(attempt < 200);
      if (ends_struck(whole)) continue;
      check_same("run", "whole");  // and begin again
      std::filesystem::remove_all(at("run"));
    }
    MESSAGE(killed, " killed, ", stopped, " stopped: ", unnamed, " as MPI began or ended, ", after_the_end, " after their end");
    const ProgramResult result = run_in(2, command("run"));
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    check_same("run", "whole");
  }
}
