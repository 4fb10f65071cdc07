#include "mec/tensor/cuda/simt.h"
#include "mec/tensor/error.h"

namespace mec::cuda::simt::inline MEC_SIMT {

void check_launch(const char* kernel) {
  const cudaError_t status = cudaGetLastError();
  check<DeviceError>(status == cudaSuccess, kernel, ": the device refused the launch: ", cudaGetErrorString(status));
}

}  // namespace mec::cuda::simt::inline MEC_SIMT
