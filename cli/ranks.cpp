#include "mec/cli/ranks.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "mec/cli/note.h"
#include "mec/cli/program.h"
#include "mec/cli/signals.h"
#include "mec/cli/surroundings.h"
#include "mec/distributed/device_communicator.h"
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

// The numbers of rank 0, then those of rank 1...
std::vector<double> of_all_ranks(const std::vector<double>& own, Communicator& ranks) {
  const Shape shape{1, static_cast<std::int64_t>(own.size())};
  return ranks.all_gather(Tensor::from(own, shape, make_cpu_device({.threads = 1}))).to_vector<double>();
}

// Ranks on one machine that may use the same processors share them; GPUs are dealt out to the ranks
// of a machine in turn.
void take_share(DeviceOptions& device, Communicator& ranks) {
  int processors = 1;
  const double host = number_of(host_name()), allowed = number_of(allowed_processors(processors));
  const std::vector<double> all = of_all_ranks({host, allowed}, ranks);
  int sharing = 0, before = 0;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    if (all[static_cast<std::size_t>(2 * rank)] != host) continue;
    before += rank < ranks.rank() ? 1 : 0;
    sharing += all[static_cast<std::size_t>(2 * rank + 1)] == allowed ? 1 : 0;
  }
  if (device.threads == 0 && !std::getenv("OMP_NUM_THREADS")) device.threads = std::max(1, processors / sharing);
  if (device.device != "cuda") return;
  const int gpus = static_cast<int>(describe_cuda().devices.size());
  if (gpus > 0) device.gpu = before % gpus;
}

constexpr std::chrono::seconds kSoon{2};

// Whether two ranks have one GPU.
bool share_gpus(const DeviceOptions& options, Communicator& ranks) {
  const std::vector<double> all = of_all_ranks({number_of(host_name()), static_cast<double>(options.gpu)}, ranks);
  std::set<std::pair<double, double>> gpus;
  for (std::size_t i = 0; i < all.size(); i += 2) gpus.emplace(all[i], all[i + 1]);
  return gpus.size() < all.size() / 2;
}

}  // namespace

CommunicatorPtr between_gpus(const CommunicatorPtr& ranks, const DeviceOptions& options, const Device& device) {
  if (ranks->size() == 1 || options.device != "cuda") return ranks;
  const auto tell = ranks->rank() == 0 ? note : [](const std::string&) {};
  if (share_gpus(options, *ranks)) {
    tell("some of the processes share a GPU, so that tensors go by way of the host");
    return ranks;
  }
  return between_devices(ranks, device,
                         {.patience = static_cast<double>(patience()),
                          .on_failure = [ranks](const std::string& why) { end_ranks(*ranks, why, 1, kSoon); },
                          .note = tell});
}

void run_in_ranks(DeviceOptions& device, const std::function<void(const CommunicatorPtr&)>& f) {
  const CommunicatorPtr ranks = join_processes();
  if (ranks->size() == 1) return f(ranks);
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
