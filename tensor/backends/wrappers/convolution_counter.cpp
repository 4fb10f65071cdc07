#include "mec/tensor/backends/wrappers/convolution_counter.h"

#include <algorithm>

namespace mec {
namespace {

ConvolutionCalls one_call(const char* name, ConvolutionCalls::Kernel kernel, const In& a, const In& b, const Out& result,
                          const Conv2dArgs& args) {
  return {.name = name,
          .kernel = kernel,
          .shapes = {a.shape, b.shape, result.shape},
          .dtypes = {a.dtype, b.dtype, result.dtype},
          .args = args,
          .calls = 1};
}

}  // namespace

void ConvolutionCounter::start() {
  counted_.clear();
  counting_ = true;
}

void ConvolutionCounter::conv2d(In x, In w, Out y, const Conv2dArgs& args) {
  count(one_call("conv2d", &Backend::conv2d, x, w, y, args));
  ForwardingBackend::conv2d(x, w, y, args);
}

void ConvolutionCounter::conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) {
  count(one_call("conv2d_grad_input", &Backend::conv2d_grad_input, dy, w, dx, args));
  ForwardingBackend::conv2d_grad_input(dy, w, dx, args);
}

void ConvolutionCounter::conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) {
  count(one_call("conv2d_grad_weight", &Backend::conv2d_grad_weight, dy, x, dw, args));
  ForwardingBackend::conv2d_grad_weight(dy, x, dw, args);
}

void ConvolutionCounter::count(const ConvolutionCalls& call) {
  if (!counting_) return;
  const auto same = [&](const ConvolutionCalls& other) { return other.same_kind(call); };
  const auto found = std::ranges::find_if(counted_, same);
  if (found == counted_.end()) counted_.push_back(call);
  else ++found->calls;
}

}  // namespace mec
