// A call that is watched, and one for which no thread is left.
#include "mec/distributed/mpi/watch.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <system_error>
#include <thread>

namespace {

// The status of a process that f ends, or 0 where it returns.
int status_of(const std::function<void()>& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    ::signal(SIGABRT, SIG_DFL);  // not doctest's handler
    f();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

constexpr int kStarted = 77;

// From here on this process can start no thread; root may, so it becomes another user.
void forbid_threads() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_NPROC, &none);
  if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(kStarted);
  try {
    std::thread([] {}).join();
    ::_exit(kStarted);
  } catch (const std::system_error&) {
  }
}

}  // namespace

TEST_CASE("a call that does not return in time ends the process, and one that returns does not") {
  CHECK(status_of([] {
          const mec::Watch watch(1, "it does not return");
          ::sleep(30);
        }) == 1);
  CHECK(status_of([] { const mec::Watch watch(1, "it does not return"); }) == 0);
}

TEST_CASE("where no thread can be started, a call goes unwatched") {
  const int status = status_of([] {
    forbid_threads();
    const mec::Watch watch(1, "it does not return");
  });
  const bool forbidden = status != kStarted;
  WARN_MESSAGE(forbidden, "this system starts threads beyond the limit: not tested");
  if (forbidden) CHECK(status == 0);
}
