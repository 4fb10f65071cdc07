#include "mec/cli/ranks.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <new>
#include <thread>

#include "mec/cli/note.h"
#include "mec/cli/program.h"
#include "mec/cli/signals.h"
#include "mec/cli/surroundings.h"
#include "mec/distributed/launcher.h"
#include "mec/tensor/devices.h"
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
[[noreturn]] void end_ranks(Communicator& ranks, const std::string& message, int status, std::chrono::seconds wait) {
  std::cout.flush();
  if (ranks.rank() > 0) std::this_thread::sleep_for(wait);
  const std::string who =
      ranks.rank() > 0 ? concat("process ", ranks.rank(), " of ", ranks.size(), ", on ", host_name(), ": ") : "";
  std::cerr << concat("error: ", who, printable(message), "\n");  // in one piece: launchers mix lines
  ranks.end_all(status);
  std::_Exit(status);
}

// A number for a text, as far as a double holds it.
double number_of(const std::string& text) { return static_cast<double>(std::hash<std::string>()(text) >> 12); }

// The processors that this process may use, as text.
std::string allowed_processors(int& count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) CPU_SET(0, &set);
  count = CPU_COUNT(&set);
  return {reinterpret_cast<const char*>(&set), sizeof set};
}

// Ranks on one machine that may use the same processors share them; GPUs are dealt out to the ranks
// of a machine in turn.
void take_share(DeviceOptions& device, Communicator& ranks) {
  int processors = 1;
  const double host = number_of(host_name()), allowed = number_of(allowed_processors(processors));
  const Tensor own = Tensor::from(std::vector<double>{host, allowed}, {1, 2}, make_cpu_device({.threads = 1}));
  const std::vector<double> all = ranks.all_gather(own).to_vector<double>();
  int sharing = 0, before = 0, here = 0;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    if (all[static_cast<std::size_t>(2 * rank)] != host) continue;
    ++here;
    before += rank < ranks.rank() ? 1 : 0;
    sharing += all[static_cast<std::size_t>(2 * rank + 1)] == allowed ? 1 : 0;
  }
  if (device.threads == 0 && !std::getenv("OMP_NUM_THREADS")) device.threads = std::max(1, processors / sharing);
  if (device.device != "cuda") return;
  const int gpus = static_cast<int>(describe_cuda().devices.size());
  if (gpus > 0) device.gpu = before % gpus;
  if (gpus > 0 && here > gpus && before == 0)
    note(concat(here, " processes on ", host_name(), " share ", counted(gpus, "GPU")));
}

}  // namespace

void run_in_ranks(DeviceOptions& device, const std::function<void(const CommunicatorPtr&)>& f) {
  const CommunicatorPtr ranks = join_processes();
  if (ranks->size() == 1) return f(ranks);
  constexpr std::chrono::seconds kSoon{2};
  try {
    take_share(device, *ranks);
    f(ranks);
  } catch (const StoppedBySignal&) {
    // The first one tells. The others end well: where one does not, launchers kill the rest.
    if (ranks->rank() == 0) throw;
  } catch (const NumericalError& error) {
    // Of all ranks at once; the first one may be writing a checkpoint.
    end_ranks(*ranks, error.what(), 1, std::chrono::minutes(10));
  } catch (const UsageError& error) {
    end_ranks(*ranks, concat(error.what(), " (see --help)"), 2, kSoon);
  } catch (const std::bad_alloc&) {
    end_ranks(*ranks, out_of_memory(), 1, kSoon);
  } catch (const std::exception& error) {
    end_ranks(*ranks, error.what(), 1, kSoon);
  }
}

}  // namespace mec::cli
