// How long something has been waited for.
#pragma once

#include <algorithm>
#include <chrono>

namespace mec {

// Counts while this process runs: a pause of more than a second between two looks, as of a job that
// is suspended, counts as one second.
class Waiting {
 public:
  double seconds() {
    const auto now = Clock::now();
    seconds_ += std::min(std::chrono::duration<double>(now - last_).count(), 1.0);
    last_ = now;
    return seconds_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
  double seconds_ = 0;
};

}  // namespace mec
