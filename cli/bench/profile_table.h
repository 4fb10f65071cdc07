// Where the time of a training step goes, as tables.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "mec/distributed/profiling_communicator.h"
#include "mec/tensor/backends/wrappers/profiling.h"

namespace mec::cli {

// Two columns, GFLOP/s ("-" where a kernel multiplies nothing) and GB/s: "    210.3    12.1".
std::string rates(const KernelProfile& profile);

// Two tables, both averages over `steps` steps: the kernels of each part, and the sizes that take
// longest.
void print_profile(std::ostream& out, const std::vector<KernelProfile>& profiles, int steps);
// What a rank and the others told each other, and the sum, as averages over `steps` steps.
void print_messages(std::ostream& out, const std::vector<CollectiveProfile>& profiles, int steps);

}  // namespace mec::cli
