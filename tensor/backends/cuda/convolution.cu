#include "mec/tensor/backends/cuda/backend.h"
#include "mec/tensor/backends/cuda/runtime/range.h"
#include "mec/tensor/backends/cuda/tuning.h"

namespace mec::cuda {

ConvolutionKey CudaBackend::key_of(ConvolutionDirection direction, In x, In w, In result, Dtype operands,
                                   const Conv2dArgs& args) const {
  return make_key(direction, x.shape, w.shape, operands, result.dtype, args,
                  {.tf32 = options_.tf32, .deterministic = options_.deterministic});
}

void CudaBackend::conv2d(In x, In w, Out y, const Conv2dArgs& args) {
  const Range range("conv2d");
  if (nothing_to_sum(x, w, y, false)) return;
  run_convolution(key_of(ConvolutionDirection::forward, x, w, y, x.dtype, args), {x.data, w.data, y.data});
}

void CudaBackend::conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) {
  const Range range("conv2d_grad_input");
  if (nothing_to_sum(dy, w, dx, args.accumulate)) return;
  run_convolution(key_of(ConvolutionDirection::grad_input, dx, w, dx, dy.dtype, args), {dy.data, w.data, dx.data});
}

void CudaBackend::conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) {
  const Range range("conv2d_grad_weight");
  if (nothing_to_sum(dy, x, dw, args.accumulate)) return;
  ConvolutionKey key = key_of(ConvolutionDirection::grad_weight, x, dw, dw, x.dtype, args);
  if (plans_.grad_weight_dtype(key) == dw.dtype) return run_convolution(key, {dy.data, x.data, dw.data});
  // cuDNN writes bf16: widened as it is added.
  key.result = x.dtype;
  key.accumulate = false;
  const ConvolutionPlan& plan = plan_of(key);
  const std::size_t narrow = rounded(static_cast<std::size_t>(dw.numel() * size_of(x.dtype)));
  auto* const memory = static_cast<std::byte*>(scratch(narrow + static_cast<std::size_t>(plan.workspace_bytes())));
  static_cast<void>(stream());
  execute(plan, {dy.data, x.data, memory}, memory + narrow, cudnn_);
  axpby({memory, dw.shape, x.dtype}, dw, {.alpha = 1.0, .beta = args.accumulate ? 1.0 : 0.0});
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

}  // namespace mec::cuda
