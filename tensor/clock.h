// Wall-clock time, for reports alone: nothing that is computed depends on it.
#pragma once

#include <chrono>

namespace mec {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace mec
