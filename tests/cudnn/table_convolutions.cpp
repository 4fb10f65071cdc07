// The convolutions of the table that every backend runs: on a GPU, each must have a plan.
#include <doctest/doctest.h>

#include <set>
#include <vector>

#include "cudnn/described_device.h"
#include "mec/tensor/backends/cuda/cudnn/convolution_plans.h"
#include "mec/tensor/backends/wrappers/forwarding.h"
#include "mec/tensor/devices.h"
#include "support/op_cases.h"

using namespace mec;
using namespace mec::test;
using namespace mec::cuda;

namespace {

// Notes what is asked for, as the GPU backend would ask cuDNN.
class NotingDevice final : public ForwardingBackend {
 public:
  NotingDevice() : ForwardingBackend(make_reference_device()) {}
  std::vector<ConvolutionKey> keys;

 private:
  void on_call(KernelCall call) override {
    if (const auto* forward = call.as<kernel::Conv2d>()) {
      const auto& [x, w, y, args] = *forward;
      add(ConvolutionDirection::forward, x.shape, w.shape, x.dtype, y, args);
    } else if (const auto* grad_input = call.as<kernel::Conv2dGradInput>()) {
      const auto& [dy, w, dx, args] = *grad_input;
      add(ConvolutionDirection::grad_input, dx.shape, w.shape, dy.dtype, dx, args);
    } else if (const auto* grad_weight = call.as<kernel::Conv2dGradWeight>()) {
      const auto& [dy, x, dw, args] = *grad_weight;
      add(ConvolutionDirection::grad_weight, x.shape, dw.shape, x.dtype, dw, args);
    } else {
      call.run();
    }
  }
  void add(ConvolutionDirection direction, const Shape& x, const Shape& w, Dtype operands, Out result, const Conv2dArgs& args) {
    if (x.numel() == 0) return;  // nothing to sum: no library is asked
    keys.push_back(make_key(direction, x, w, operands, result.dtype, args));
  }
};

}  // namespace

TEST_CASE("each convolution of the case table has a plan on an H100, in both precisions and every direction") {
  ConvolutionPlans plans(described_device("h100"));
  std::set<std::string> shapes, kinds;
  for (const OpCase& op : op_cases()) {
    if (!op.kernel.starts_with("conv2d")) continue;
    for (const Dtype dtype : op.dtypes) {
      const auto device = std::make_shared<NotingDevice>();
      op.run(make_inputs(op, 1, dtype, dtype, device));
      for (ConvolutionKey key : device->keys) {
        // A weight's gradient in f32 from bf16 operands is widened by us where no engine does it.
        if (key.direction == ConvolutionDirection::grad_weight && plans.grad_weight_dtype(key) != key.result) {
          key.result = key.operands;
          key.accumulate = false;
        }
        CAPTURE(key);
        CHECK(plans.find(key) != nullptr);
        shapes.insert(concat(input_shape(key), weight_shape(key), key.stride, key.pad, key.dilation, key.groups));
        kinds.insert(concat(name_of(key.direction), dtype, key.accumulate));
      }
    }
  }
  CHECK(shapes.size() == 16);
  CHECK(kinds.size() >= 8);
}
