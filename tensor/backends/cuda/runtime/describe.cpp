#include <cstdio>

#include "mec/tensor/backends/cuda/runtime/availability.h"
#include "mec/tensor/backends/cuda/runtime/runtime.h"
#include "mec/tensor/devices.h"

namespace mec {

namespace {

std::string text_of(const cudaUUID_t& uuid) {
  std::string text;
  for (const char byte : uuid.bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(byte));
    text += digits;
  }
  return text;
}

CudaDeviceDescription describe_device(int device) {
  cudaDeviceProp properties{};
  MEC_CHECK_CUDA(cudaGetDeviceProperties(&properties, device));
  return {.name = properties.name,
          .memory = properties.totalGlobalMem,
          .capability_major = properties.major,
          .capability_minor = properties.minor,
          .multiprocessors = properties.multiProcessorCount,
          .uuid = text_of(properties.uuid)};
}

}  // namespace

CudaDescription describe_cuda() {
  cuda::Probe probe;
  MEC_CHECK_CUDA(cudaRuntimeGetVersion(&probe.runtime));
  if (cudaDriverGetVersion(&probe.driver) != cudaSuccess) probe.driver = 0;
  if (probe.driver != 0) {
    const cudaError_t status = cudaGetDeviceCount(&probe.devices);
    probe.driver_too_old = status == cudaErrorInsufficientDriver;
    if (status != cudaSuccess && status != cudaErrorNoDevice) probe.failure = cudaGetErrorString(status);
    if (status != cudaSuccess) probe.devices = 0;
  }
  static_cast<void>(cudaGetLastError());  // or the next launch would be blamed for it
  CudaDescription description{.devices = {},
                              .reason = why_no_device(probe),
                              .driver = probe.driver ? cuda::version_text(probe.driver) : "",
                              .runtime = cuda::version_text(probe.runtime)};
  for (int device = 0; device < probe.devices; ++device) description.devices.push_back(describe_device(device));
  return description;
}

}  // namespace mec
