// Where the time of a training step goes, as tables.
#pragma once

#include <ostream>
#include <vector>

#include "mec/tensor/profiling.h"

namespace mec::cli {

// Two tables of one step's average over `steps`: each part's kernels, and the sizes that take longest.
void print_profile(std::ostream& out, const std::vector<KernelProfile>& profiles, int steps);

}  // namespace mec::cli
