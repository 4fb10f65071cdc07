#include "mec/tensor/backends/cuda/runtime/runtime.h"

namespace mec::cuda {

Stream make_stream() {
  cudaStream_t stream = nullptr;
  MEC_CHECK_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

Event make_event() {
  cudaEvent_t event = nullptr;
  MEC_CHECK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return Event(event);
}

Event make_timed_event() {
  cudaEvent_t event = nullptr;
  MEC_CHECK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDefault));
  return Event(event);
}

PinnedMemory make_pinned_memory(std::size_t bytes) {
  void* memory = nullptr;
  MEC_CHECK_CUDA(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault));
  return PinnedMemory(memory);
}

DeviceMemory make_device_memory(std::size_t bytes) {
  void* memory = nullptr;
  MEC_CHECK_CUDA(cudaMalloc(&memory, bytes));
  return DeviceMemory(memory);
}

Upstream device_upstream(int device) {
  return {.allocate = [device](std::size_t bytes) -> void* {
            MEC_CHECK_CUDA(cudaSetDevice(device));
            void* memory = nullptr;
            const cudaError_t status = cudaMalloc(&memory, bytes);
            if (status == cudaErrorMemoryAllocation) {
              static_cast<void>(cudaGetLastError());  // or the next launch would be blamed for it
              return nullptr;
            }
            MEC_CHECK_CUDA(status);
            return memory;
          },
          .release = [](void* memory, std::size_t) { static_cast<void>(cudaFree(memory)); },
          .extend = {},
          // What cudaMalloc itself aligns to, and what cuBLASLt's fastest kernels ask for.
          .granule = 256};
}

int attribute_of(int device, cudaDeviceAttr attribute) {
  int value = 0;
  MEC_CHECK_CUDA(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}

}  // namespace mec::cuda
