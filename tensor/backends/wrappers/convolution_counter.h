// ConvolutionCounter: which convolutions run on another device, and how often.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "mec/tensor/backends/wrappers/forwarding.h"

namespace mec {

// All calls of one convolution, or of one of its gradients, with one set of sizes, dtypes and
// options.
struct ConvolutionCalls {
  const char* name = "";  // of the kernel
  // Runs it on a device, on both operands and the result.
  void (*run)(Backend& device, const In& a, const In& b, const Out& result, const Conv2dArgs& args) = nullptr;
  std::array<Shape, 3> shapes;  // of both operands and the result
  std::array<Dtype, 3> dtypes{};
  Conv2dArgs args;
  std::int64_t calls = 0;

  bool same_kind(const ConvolutionCalls& other) const {
    return std::string_view(name) == other.name && shapes == other.shapes && dtypes == other.dtypes && args == other.args;
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

 protected:
  void on_call(KernelCall call) override;

 private:
  template <class K> void count(const K* k);

  bool counting_ = false;
  std::vector<ConvolutionCalls> counted_;
};

}  // namespace mec
