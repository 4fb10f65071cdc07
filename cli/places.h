// Where the processes of a launch run: machine, processors, threads and GPU of each.
#pragma once

#include <string>
#include <vector>

#include "mec/cli/options.h"
#include "mec/distributed/communicator.h"

namespace mec::cli {

std::string host_name();

// Gives this rank its share: ranks of one machine that may use the same processors divide them,
// where the command leaves the threads open, and GPUs are dealt out to the ranks of a machine in
// turn. The first rank notes where ranks have to share.
void take_share(DeviceOptions& device, Communicator& ranks);

// Whether two ranks have one GPU, after take_share().
bool share_gpus(const DeviceOptions& device, Communicator& ranks);

// A line for each rank: "process 1 of 4, on node7: 2 threads on processors 2-3, GPU 1". After
// take_share().
std::vector<std::string> describe_places(const DeviceOptions& device, Communicator& ranks);

}  // namespace mec::cli
