// ConvolutionCounter: which convolutions run on another device, and how often.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mec/tensor/backends/wrappers/forwarding.h"

namespace mec {

// All calls of one convolution, or of one of its gradients, with one set of sizes, dtypes and
// options.
struct ConvolutionCalls {
  using Kernel = void (Backend::*)(In, In, Out, const Conv2dArgs&);

  const char* name = "";  // that of the member of Backend
  Kernel kernel = nullptr;
  std::array<Shape, 3> shapes;  // of both operands and the result
  std::array<Dtype, 3> dtypes{};
  Conv2dArgs args;
  std::int64_t calls = 0;

  bool same_kind(const ConvolutionCalls& other) const {
    return kernel == other.kernel && shapes == other.shapes && dtypes == other.dtypes && args == other.args;
  }
};

// Kernels run on the inner device as they come. Convolutions are counted from start() to stop().
class ConvolutionCounter final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;

  void start();  // forgets what was counted before
  void stop() { counting_ = false; }
  // In the order of their first calls.
  const std::vector<ConvolutionCalls>& counted() const { return counted_; }

  void conv2d(In x, In w, Out y, const Conv2dArgs& args) override;
  void conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) override;
  void conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) override;

 private:
  void count(const ConvolutionCalls& call);

  bool counting_ = false;
  std::vector<ConvolutionCalls> counted_;
};

}  // namespace mec
