#include "mec/tensor/backends/cuda/tuning.h"

namespace mec::cuda {

CudaBackend::Tuning::Tuning(CudaBackend& device, const ConvolutionKey& key)
    : device_(device), key_(key), begin_(make_timed_event()), end_(make_timed_event()) {
  void* const x = noise(input_shape(key), key.dtype_of(ConvolutionDirection::grad_input), 1);
  void* const w = noise(weight_shape(key), key.dtype_of(ConvolutionDirection::grad_weight), 2);
  void* const y = noise(output_shape(key), key.dtype_of(ConvolutionDirection::forward), 3);
  switch (key.direction) {
    case ConvolutionDirection::forward: pointers_ = {x, w, y}; break;
    case ConvolutionDirection::grad_input: pointers_ = {y, w, x}; break;
    case ConvolutionDirection::grad_weight: pointers_ = {y, x, w}; break;
  }
}

CudaBackend::Tuning::~Tuning() {
  for (void* memory : memory_) device_.allocator_.deallocate(memory);
}

// FillRandom draws f32 and f64 only, so bf16 is converted from f32.
void* CudaBackend::Tuning::noise(const Shape& shape, Dtype dtype, std::uint64_t seed) {
  const auto elements = static_cast<std::size_t>(shape.numel());
  const auto get = [&](Dtype type) {
    return Out{memory_.emplace_back(device_.allocator_.allocate(elements * static_cast<std::size_t>(size_of(type)))), shape,
               type};
  };
  const Out values = get(dtype);
  if (dtype != Dtype::bf16) {
    device_.run(kernel::FillRandom{values, {.seed = seed}});
    return values.data;
  }
  const Out wide = get(Dtype::f32);
  device_.run(kernel::FillRandom{wide, {.seed = seed}});
  device_.run(kernel::Copy{wide, values});
  device_.allocator_.deallocate(wide.data);
  memory_.pop_back();
  return values.data;
}

double CudaBackend::Tuning::milliseconds(const ConvolutionPlan& plan) {
  const auto bytes = static_cast<std::size_t>(plan.workspace_bytes());
  void* const workspace = bytes ? device_.scratch(bytes) : nullptr;
  auto* const stream = static_cast<cudaStream_t>(device_.stream());
  // A first run keeps the device busy while the host prepares the run that is timed.
  execute(plan, pointers_, workspace, device_.cudnn_);
  MEC_CHECK_CUDA(cudaEventRecord(begin_.get(), stream));
  execute(plan, pointers_, workspace, device_.cudnn_);
  MEC_CHECK_CUDA(cudaEventRecord(end_.get(), stream));
  MEC_CHECK_CUDA(cudaEventSynchronize(end_.get()));
  float milliseconds = 0;
  MEC_CHECK_CUDA(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()));
  return static_cast<double>(milliseconds);
}

double CudaBackend::time_plan(const ConvolutionPlan& plan) {
  check<ValueError>(!capturing_, "cuda: ", plan.key(), " is timed within a step that is captured; run the step once before");
  if (!tuning_ || !(tuning_->key() == plan.key())) tuning_ = std::make_unique<Tuning>(*this, plan.key());
  return tuning_->milliseconds(plan);
}

}  // namespace mec::cuda
