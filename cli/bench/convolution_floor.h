// The floor of a training step: its convolutions, each timed alone. Whatever else the step does,
// with these kernels it cannot be faster than their sum.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "mec/tensor/backends/wrappers/convolution_counter.h"
#include "mec/tensor/backends/wrappers/profiling.h"

namespace mec::cli {

class ConvolutionFloor {
 public:
  // For the convolutions counted in one step; they run on `device`. ValueError where nothing was
  // counted or `repetitions` is not positive.
  ConvolutionFloor(const std::vector<ConvolutionCalls>& counted, Device device, int repetitions);

  // Runs each convolution on buffers of its own with random numbers: once untimed, which makes its
  // plan and warms the caches, then `repetitions` times timed. Alternate rounds with steps, so that
  // other programs on the machine disturb both alike.
  void run_round();

  // The floor: for each kind, the median over all its timed calls times its calls in a step;
  // summed.
  double seconds() const;
  std::size_t kinds() const { return convolutions_.size(); }
  std::int64_t calls(const char* kernel) const;  // in a step, summed over all sizes
  // For each kind, all calls of a step: their part of seconds(), with operations and bytes. The
  // longest first. ValueError before a round.
  std::vector<KernelProfile> profiles() const;

 private:
  struct Alone {
    ConvolutionCalls convolution;
    KernelProfile one;            // of one call
    std::vector<double> seconds;  // of each timed call
  };
  void time(Alone& alone);

  std::shared_ptr<ProfilingBackend> device_;
  int repetitions_;
  std::vector<Alone> convolutions_;
};

}  // namespace mec::cli
