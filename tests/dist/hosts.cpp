// Two hosts, as two_hosts.sh makes them of this one.
#include <chrono>
#include <cstdlib>

#include "dist/launched.h"

using namespace mec;
using namespace mec::test;

namespace {

struct TwoHosts : Launched {
  // mpirun's words for a process on each host. Its daemons ask each other after four seconds of
  // silence, not after five minutes.
  static std::vector<std::string> on_both(const std::vector<std::string>& arguments) {
    std::vector<std::string> words = launch(2, arguments);
    const std::vector<std::string> where{"--host", std::getenv("MEC_HOSTS"), "--mca", "plm_rsh_agent",
                                         std::getenv("MEC_RSH_AGENT")},
        keepalive{"--mca", "oob_tcp_keepalive_time",   "4", "--mca", "oob_tcp_keepalive_intvl", "2",
                  "--mca", "oob_tcp_keepalive_probes", "2"};
    words.insert(words.begin(), where.begin(), where.end());
    words.insert(words.begin(), keepalive.begin(), keepalive.end());
    return words;
  }
  // The process of beta, once the run has begun.
  pid_t rank_1(Process& process) const {
    REQUIRE_FALSE(process.wait_until([&] { return newest_checkpoint_in(at("run")).step > 3; }));
    for (const pid_t rank : ranks_of("run")) {
      if (rank_of(rank) == "1") return rank;
    }
    FAIL("the second process has ended");
    return 0;
  }
  std::string ends(Process& process) const {
    CHECK(process.wait() != 0);
    return read_bytes(err);
  }
};

}  // namespace

TEST_SUITE("hosts" * doctest::skip()) {
  TEST_CASE_FIXTURE(TwoHosts, "two processes on two hosts train to the bits of two on one") {
    REQUIRE(run_in(2, command("one")).status == 0);
    Process process(MEC_MPIEXEC, on_both(command("two")), kVariables, out, err);
    const int status = process.wait();
    CAPTURE(read_bytes(err));
    REQUIRE(status == 0);
    check_same("two", "one");
  }

  TEST_CASE_FIXTURE(TwoHosts, "a process of another host that is killed or hangs is named with its host") {
    const auto strike = [&](int signal) {
      std::filesystem::remove_all(at("run"));
      Process process(MEC_MPIEXEC, on_both(command("run", "mec", {"train.epochs=4000"})), impatient(5), out, err);
      ::kill(rank_1(process), signal);
      return ends(process);
    };
    const std::string said = strike(SIGKILL);  // by mpirun, in its own words for a host
    CHECK(said.find("process rank 1 with PID") != std::string::npos);
    CHECK(said.find("on node 10.77.0.2 exited on signal 9") != std::string::npos);
    CHECK(strike(SIGSTOP).find("error: MPI: other processes have not come for 5 s (MEC_PATIENCE): process 1 on beta;") !=
          std::string::npos);
  }
}

TEST_SUITE("hosts slow" * doctest::skip()) {
  TEST_CASE_FIXTURE(TwoHosts, "a network that goes away ends the run, which then goes on to the bits of one that is whole") {
    REQUIRE(run_in(2, long_command("whole")).status == 0);
    {
      Process process(MEC_MPIEXEC, on_both(long_command("run")), kVariables, out, err);
      rank_1(process);
      REQUIRE(std::system(std::getenv("MEC_CUT_NETWORK")) == 0);
      const std::string said = ends(process);  // by mpirun
      CHECK(said.find("ORTE has lost communication with a remote daemon") != std::string::npos);
      CHECK(said.find("on node 10.77.0.2") != std::string::npos);
    }
    REQUIRE(run_in(2, long_command("run")).status == 0);
    check_same("run", "whole");
  }
}
