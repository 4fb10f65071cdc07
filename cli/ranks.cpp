#include "mec/cli/ranks.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <new>
#include <thread>

#include "mec/cli/note.h"
#include "mec/cli/places.h"
#include "mec/cli/program.h"
#include "mec/cli/signals.h"
#include "mec/cli/surroundings.h"
#include "mec/distributed/device_communicator.h"
#include "mec/distributed/launcher.h"
#include "mec/tensor/error.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

// An error that all ranks meet is told by the first alone: it ends the others while they wait. Of a
// rank's threads the first one tells; MPI may be called by it, whichever it is, since the process
// ends.
[[noreturn]] void end_ranks(Communicator& ranks, const std::string& message, int status, std::chrono::seconds wait) {
  static std::atomic_flag begun;
  while (begun.test_and_set()) ::pause();
  std::cout.flush();
  if (ranks.rank() > 0) std::this_thread::sleep_for(wait);
  const std::string who =
      ranks.rank() > 0 ? concat("process ", ranks.rank(), " of ", ranks.size(), ", on ", host_name(), ": ") : "";
  std::cerr << concat("error: ", who, printable(message), "\n");  // in one piece: launchers mix lines
  ranks.end_all(status);
  std::_Exit(status);
}

constexpr std::chrono::seconds kSoon{2}, kOthersTell{10};

}  // namespace

void between_gpus(CommunicatorPtr& ranks, const DeviceOptions& options, const Device& device) {
  if (ranks->size() == 1 || ranks->maximum(options.device == "cuda" ? 0 : 1) > 0) return;
  const auto tell = ranks->rank() == 0 ? note : [](const std::string&) {};
  if (share_gpus(options, *ranks)) return tell("tensors go by way of the host, since processes share a GPU");
  if (!options.nondeterministic) {
    // What the user has set stays. NVLS adds in an order that may differ from call to call, and
    // buffers of a recorded step may take other ways than those of an eager one.
    ::setenv("NCCL_ALGO", "^NVLS,NVLSTree", 0);
    ::setenv("NCCL_GRAPH_REGISTER", "0", 0);
  }
  // Other ranks, or MPI, know more of what has happened: they tell it first.
  const auto end = [hosts = ranks](const std::string& why) {
    std::this_thread::sleep_for(kOthersTell);
    end_ranks(*hosts, why, 1, kSoon);
  };
  ranks = between_devices(ranks, device, {.patience = static_cast<double>(patience()), .on_failure = end, .note = tell});
}

void run_in_ranks(DeviceOptions& device, const std::function<void(CommunicatorPtr&)>& f) {
  CommunicatorPtr ranks = join_processes();
  if (ranks->size() == 1) return f(ranks);
  if (ranks->rank() > 0) hold_notes();
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

void run_alone(const std::function<void()>& f) {
  const std::optional<Launch> launch = find_launch();
  if (!launch) return f();
  DeviceOptions device;
  run_in_ranks(device, [&](const CommunicatorPtr&) {
    throw ValueError(concat("this command is for one process, but this is one of ", launch->size, " (", launch->variable,
                            "); start one, or set MEC_PROCESSES=1, where each is to run it"));
  });
}

}  // namespace mec::cli
