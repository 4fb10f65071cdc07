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
    if (const auto* forward = call.as<kernel::Conv2d>()) add(forward->x, forward->w, make_key(*forward));
    else if (const auto* grad_input = call.as<kernel::Conv2dGradInput>()) add(grad_input->dx, grad_input->w, make_key(*grad_input));
    else if (const auto* grad_weight = call.as<kernel::Conv2dGradWeight>()) add(grad_weight->x, grad_weight->dw, make_key(*grad_weight));
    else call.run();
  }
  void add(const In& x, const In& weight, const ConvolutionKey& key) {
    if (x.numel() != 0 && weight.numel() != 0) keys.push_back(key);  // nothing to sum: no library is asked
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
  CHECK(shapes.size() == 17);
  CHECK(kinds.size() >= 8);
}
