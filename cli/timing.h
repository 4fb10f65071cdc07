// Times and memory, as the benchmarks report them.
#pragma once

#include <sys/resource.h>

#include <cmath>

#include "mec/tensor/backend.h"
#include "mec/tensor/clock.h"

namespace mec::cli {

inline double peak_mib() {  // of the process so far, in the host's memory
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts in KiB
}

// The peak so far. On a GPU, the memory that tensors and workspaces have reserved; elsewhere, that
// of the process.
inline double peak_mib(const Device& device) {
  return device->name() == "cuda" ? static_cast<double>(device->allocator().stats().reserved) / (1 << 20) : peak_mib();
}

inline double rounded(double value, double digits) { return std::round(value * digits) / digits; }

}  // namespace mec::cli
