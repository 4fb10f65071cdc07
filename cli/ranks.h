// Commands that several processes run together, as mpirun and srun start them.
#pragma once

#include <functional>

#include "mec/cli/options.h"
#include "mec/distributed/communicator.h"

namespace mec::cli {

// Calls f with the launch's processes; without a launch, with this one alone. Where f throws in one
// of several, an error ends all of them, since the others would wait for it; a signal has stopped
// all, and the first one alone says so. device: take_share(). The others' notes are held (note.h).
// What f makes of `ranks` lives until an error has been told.
void run_in_ranks(DeviceOptions& device, const std::function<void(CommunicatorPtr& ranks)>& f);

// Where each rank has a GPU of its own, makes tensors go from GPU to GPU: call it on all ranks,
// with the device that `options` made. Where GPUs fail or wait for ever, all ranks end.
void between_gpus(CommunicatorPtr& ranks, const DeviceOptions& options, const Device& device);

// Calls f in one process; of several, an error ends all.
void run_alone(const std::function<void()>& f);

}  // namespace mec::cli
