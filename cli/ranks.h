// Commands that several processes run together, as mpirun and srun start them.
#pragma once

#include <functional>

#include "mec/distributed/communicator.h"

namespace mec::cli {

// Calls f with the launch's processes; without a launch, with this one alone. Where f throws in one
// of several, an error ends all of them, since the others would wait for it; a signal has stopped
// all, and the first one alone says so.
void run_in_ranks(const std::function<void(const CommunicatorPtr& ranks)>& f);

// Of the CPU device, where the command leaves it open: this rank's share of the processors that it
// may use; 0 (all of them) without a launch.
int threads_of_rank();

}  // namespace mec::cli
