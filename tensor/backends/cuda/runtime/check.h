// Calls of CUDA's runtime, checked. It includes CUDA's headers, so only the CUDA backend and its
// tests include it.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "mec/tensor/error.h"

namespace mec::cuda {

// Throws DeviceError: which call of which library failed, why, and where it stands.
[[noreturn]] void fail(const char* library, const char* expression, const std::string& reason, const char* file, int line);

inline void check_cuda(cudaError_t status, const char* expression, const char* file, int line) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // or the next launch would be blamed for it
  fail("CUDA", expression, cudaGetErrorString(status), file, line);
}
#define MEC_CHECK_CUDA(expression) ::mec::cuda::check_cuda((expression), #expression, __FILE__, __LINE__)

}  // namespace mec::cuda
