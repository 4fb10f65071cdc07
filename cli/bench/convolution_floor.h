// The floor of a training step: its convolutions, each timed alone. With the same kernels for them,
// and whatever else it does, the step cannot be faster than their sum.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "mec/tensor/backends/wrappers/convolution_counter.h"
#include "mec/tensor/backends/wrappers/profiling.h"

namespace mec::cli {

class ConvolutionFloor {
 public:
  // Of one step, on `device`. ValueError where nothing was counted or `repetitions` is not
  // positive.
  ConvolutionFloor(const std::vector<ConvolutionCalls>& counted, Device device, int repetitions);

  // Each convolution, on buffers of its own with random numbers: once untimed, which makes its plan
  // and leaves of its buffers in the caches what fits, then so many times timed. Rounds that
  // alternate with steps have the same neighbours as these.
  void run_round();

  // Of a step's convolutions: median over all timed calls of a kind, times its calls, summed.
  double seconds() const;
  std::size_t kinds() const { return convolutions_.size(); }
  std::int64_t calls(const char* kernel) const;  // of a step, of all sizes
  // A step's calls of each kind: its part of seconds(), with operations and bytes. The longest
  // first. ValueError before a round.
  std::vector<KernelProfile> profiles() const;

 private:
  struct Alone {
    ConvolutionCalls convolution;
    KernelProfile one;            // call
    std::vector<double> seconds;  // of each timed call
  };
  void time(Alone& alone);

  std::shared_ptr<ProfilingBackend> device_;
  int repetitions_;
  std::vector<Alone> convolutions_;
};

}  // namespace mec::cli
