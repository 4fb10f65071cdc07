#include "mec/tensor/backends/wrappers/convolution_counter.h"

#include <algorithm>
#include <utility>

namespace mec {

void ConvolutionCounter::start() {
  counted_.clear();
  counting_ = true;
}

void ConvolutionCounter::on_call(KernelCall call) {
  if (counting_) {
    count(call.as<kernel::Conv2d>());
    count(call.as<kernel::Conv2dGradInput>());
    count(call.as<kernel::Conv2dGradWeight>());
  }
  ForwardingBackend::on_call(std::move(call));
}

template <class K> void ConvolutionCounter::count(const K* k) {
  if (!k) return;
  const auto& [a, b, result, args] = *k;
  const ConvolutionCalls call{.name = K::name,
                              .run =
                                  [](Backend& device, const In& x, const In& y, const Out& z, const Conv2dArgs& options) {
                                    device.run(K{x, y, z, options});
                                  },
                              .shapes = {a.shape, b.shape, result.shape},
                              .dtypes = {a.dtype, b.dtype, result.dtype},
                              .args = args,
                              .calls = 1};
  const auto found = std::ranges::find_if(counted_, [&](const ConvolutionCalls& other) { return other.same_kind(call); });
  if (found == counted_.end()) counted_.push_back(call);
  else ++found->calls;
}

}  // namespace mec
