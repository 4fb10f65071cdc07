#include "mec/cli/bench/convolution_floor.h"

#include <algorithm>
#include <string_view>

#include "mec/cli/timing.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

ConvolutionFloor::ConvolutionFloor(const std::vector<ConvolutionCalls>& counted, Device device, int repetitions)
    : device_(std::make_shared<ProfilingBackend>(std::move(device))), repetitions_(repetitions) {
  check<ValueError>(!counted.empty(), "floor: the step ran no convolution, so there is none to time alone");
  check<ValueError>(repetitions > 0, "floor: each convolution is timed once or more often, but was to be timed ", repetitions,
                    " times");
  for (const ConvolutionCalls& convolution : counted) convolutions_.push_back({convolution, {}, {}});
}

void ConvolutionFloor::run_round() {
  for (Alone& alone : convolutions_) time(alone);
}

// Times the convolution as --profile times the kernels of a step, so that the two can be compared.
void ConvolutionFloor::time(Alone& alone) {
  const ConvolutionCalls& call = alone.convolution;
  // Both operands and the result, to which an accumulating gradient adds.
  std::array<Tensor, 3> buffers;
  for (std::size_t i = 0; i < buffers.size(); ++i)
    buffers[i] = random(call.shapes[i], Dtype::f32, device_, {.seed = i + 1}).to(call.dtypes[i]);
  for (int repetition = 0; repetition <= repetitions_; ++repetition) {
    device_->reset();
    call.run(*device_, buffers[0], buffers[1], buffers[2], call.args);
    alone.one = device_->profiles().front();
    if (repetition > 0) alone.seconds.push_back(alone.one.seconds);
  }
}

double ConvolutionFloor::seconds() const {
  double seconds = 0;
  for (const KernelProfile& profile : profiles()) seconds += profile.seconds;
  return seconds;
}

std::int64_t ConvolutionFloor::calls(const char* kernel) const {
  std::int64_t calls = 0;
  for (const Alone& alone : convolutions_) {
    if (std::string_view(alone.convolution.name) == kernel) calls += alone.convolution.calls;
  }
  return calls;
}

std::vector<KernelProfile> ConvolutionFloor::profiles() const {
  std::vector<KernelProfile> profiles;
  for (const Alone& alone : convolutions_) {
    check<ValueError>(!alone.seconds.empty(), "floor: nothing was timed yet; call run_round() first");
    const auto calls = static_cast<double>(alone.convolution.calls);
    profiles.push_back({.phase = "alone",
                        .kernel = alone.one.kernel,
                        .sizes = alone.one.sizes,
                        .calls = alone.convolution.calls,
                        .seconds = calls * median(alone.seconds),
                        .flops = calls * alone.one.flops,
                        .bytes = calls * alone.one.bytes});
  }
  std::ranges::stable_sort(profiles, std::ranges::greater{}, &KernelProfile::seconds);
  return profiles;
}

}  // namespace mec::cli
