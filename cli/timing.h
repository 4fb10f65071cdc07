// Times and memory, as the benchmarks report them.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "mec/tensor/backend.h"
#include "mec/tensor/clock.h"

namespace mec::cli {

// Seconds of each of so many rounds of f.
template <class F> std::vector<double> time_rounds(int rounds, F f) {
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    f();
    seconds.push_back(seconds_since(start));
  }
  return seconds;
}

inline double peak_mib() {  // of the process so far, in the host's memory
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts in KiB
}

// So far: what the device's tensors take of a GPU, workspaces among them; of the process, where they are in the host's memory.
inline double peak_mib(const Device& device) {
  return device->name() == "cuda" ? static_cast<double>(device->allocator().stats().reserved) / (1 << 20) : peak_mib();
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

inline double rounded(double value, double digits) { return std::round(value * digits) / digits; }

}  // namespace mec::cli
