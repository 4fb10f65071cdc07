#include "mec/tensor/backends/cuda/backend.h"
#include "mec/tensor/backends/cuda/runtime/range.h"
#include "mec/tensor/backends/cuda/tuning.h"

namespace mec::cuda {

void run(CudaBackend& device, const kernel::Conv2d& call) {
  const Range range(call.name);
  if (device.nothing_to_sum(call.x, call.w, call.y, false)) return;
  device.run_convolution(make_key(call, device.policy()), {call.x.data, call.w.data, call.y.data});
}

void run(CudaBackend& device, const kernel::Conv2dBatchNorm& call) { run_in_turn(device, call); }

void run(CudaBackend& device, const kernel::Conv2dGradInput& call) {
  const Range range(call.name);
  if (device.nothing_to_sum(call.dy, call.w, call.dx, call.args.accumulate)) return;
  device.run_convolution(make_key(call, device.policy()), {call.dy.data, call.w.data, call.dx.data});
}

void run(CudaBackend& device, const kernel::Conv2dGradWeight& call) {
  const Range range(call.name);
  if (device.nothing_to_sum(call.dy, call.x, call.dw, call.args.accumulate)) return;
  ConvolutionKey key = make_key(call, device.policy());
  if (device.plans_.grad_weight_dtype(key) == call.dw.dtype)
    return device.run_convolution(key, {call.dy.data, call.x.data, call.dw.data});
  // cuDNN has only a bf16 result: it goes to scratch memory, and is widened as it is copied or
  // added to dw.
  key.result = call.x.dtype;
  key.accumulate = false;
  const ConvolutionPlan& plan = device.plan_of(key);
  const std::size_t narrow = rounded(static_cast<std::size_t>(call.dw.numel() * size_of(call.x.dtype)));
  auto* const memory = static_cast<std::byte*>(device.scratch(narrow + static_cast<std::size_t>(plan.workspace_bytes())));
  static_cast<void>(device.stream());
  execute(plan, {call.dy.data, call.x.data, memory}, memory + narrow, device.cudnn_);
  const In rounded_sum{memory, call.dw.shape, call.x.dtype};
  device.run(kernel::Axpby{rounded_sum, call.dw, {.alpha = 1.0, .beta = call.args.accumulate ? 1.0 : 0.0}});
}

void CudaBackend::run_convolution(const ConvolutionKey& key, const ConvolutionPointers& pointers) {
  const ConvolutionPlan& plan = plan_of(key);
  const auto bytes = static_cast<std::size_t>(plan.workspace_bytes());
  void* const workspace = bytes ? scratch(bytes) : nullptr;
  static_cast<void>(stream());  // selects the device
  execute(plan, pointers, workspace, cudnn_);
}

const ConvolutionPlan& CudaBackend::plan_of(const ConvolutionKey& key) {
  const ConvolutionPlan& plan = plans_.plan(key);
  tuning_.reset();
  if (!options_.plan_file.empty() && plans_.choices().changes() != saved_changes_) {
    plans_.choices().save(options_.plan_file);
    saved_changes_ = plans_.choices().changes();
  }
  return plan;
}

constinit const ConvolutionKernels convolution_kernels = KernelsOf<CudaBackend, ConvolutionKernels>::table;

}  // namespace mec::cuda
