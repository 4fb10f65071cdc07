#include "mec/cli/ranks.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "mec/cli/program.h"
#include "mec/cli/signals.h"
#include "mec/distributed/launcher.h"
#include "mec/tensor/error.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

// An error that all ranks meet is told by the first alone: it ends the others while they wait.
[[noreturn]] void end_ranks(Communicator& ranks, const std::string& message, int status) {
  std::cout.flush();
  if (ranks.rank() > 0) std::this_thread::sleep_for(std::chrono::seconds(2));
  const std::string who =
      ranks.rank() > 0 ? concat("process ", ranks.rank(), " of ", ranks.size(), ", on ", host_name(), ": ") : "";
  std::cerr << concat("error: ", who, printable(message), "\n");  // in one piece: launchers mix lines
  ranks.end_all(status);
  std::_Exit(status);
}

// 0: those of OpenMP or all processors, as without a launch.
int threads_of_rank() {
  const std::optional<Launch> launch = find_launch();
  if (!launch || std::getenv("OMP_NUM_THREADS")) return 0;
  const auto machine = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t set;
  const int allowed = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : machine;
  // A rank that its launcher bound to some of the processors has these to itself.
  return allowed < machine ? 0 : std::max(1, allowed / launch->local_size);
}

}  // namespace

void run_in_ranks(int& threads, const std::function<void(const CommunicatorPtr&)>& f) {
  if (threads == 0) threads = threads_of_rank();
  const CommunicatorPtr ranks = join_processes();
  try {
    f(ranks);
  } catch (const StoppedBySignal&) {
    // The first one tells. The others end well: where one does not, launchers kill the rest.
    if (ranks->rank() == 0) throw;
  } catch (const UsageError& error) {
    if (ranks->size() == 1) throw;
    end_ranks(*ranks, error.what(), 2);
  } catch (const std::exception& error) {
    if (ranks->size() == 1) throw;
    end_ranks(*ranks, error.what(), 1);
  }
}

}  // namespace mec::cli
