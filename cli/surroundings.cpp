#include "mec/cli/surroundings.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <system_error>

#include "mec/tensor/error.h"

namespace mec::cli {

void prepare_process() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // open() takes the lowest free descriptor, which is `stream`.
    [[maybe_unused]] const int taken = ::open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY);
  }
  std::signal(SIGXFSZ, SIG_IGN);
}

bool flush_output(std::string& reason) {
  errno = 0;
  std::cout.flush();
  const bool done = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  // Where an earlier write failed, errno no longer holds its reason.
  if (!done) reason = errno != 0 ? std::generic_category().message(errno) : "writing failed";
  return done;
}

std::string out_of_memory() {
  rlimit addresses{};
  const bool limited = ::getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur != RLIM_INFINITY;
  const std::string limit =
      limited ? concat("; the limit on its addresses (ulimit -v) is ", addresses.rlim_cur >> 20, " MiB") : "";
  return concat("the process gets no more memory", limit, "; use a smaller batch, network or data set, or fewer threads");
}

}  // namespace mec::cli
