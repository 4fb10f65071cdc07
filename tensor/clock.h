// Wall-clock time, for reports alone: nothing that is computed depends on it.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace mec {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Runs f `rounds` times, and returns the seconds that each run took.
template <class F> std::vector<double> time_rounds(int rounds, F f) {
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    f();
    seconds.push_back(seconds_since(start));
  }
  return seconds;
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace mec
