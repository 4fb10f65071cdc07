#include <algorithm>
#include <map>
#include <tuple>

#include "mec/tensor/backends/cuda/kernels/simt.h"
#include "mec/tensor/backends/cuda/runtime/runtime.h"
#include "mec/tensor/error.h"

namespace mec::cuda::simt::inline MEC_SIMT {

void check_launch(const char* kernel) {
  const cudaError_t status = cudaGetLastError();
  check<DeviceError>(status == cudaSuccess, kernel, ": the device refused the launch: ", cudaGetErrorString(status));
}

// Asked once for each kernel, since asking takes longer than a launch.
std::int64_t resident_blocks(const void* kernel, int threads) {
  static thread_local std::map<std::tuple<int, const void*, int>, std::int64_t> known;
  int device = 0;
  MEC_CHECK_CUDA(cudaGetDevice(&device));
  std::int64_t& blocks = known[{device, kernel, threads}];
  if (blocks != 0) return blocks;
  int each = 0;
  MEC_CHECK_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, threads, 0));
  return blocks = std::int64_t{std::max(each, 1)} * attribute_of(device, cudaDevAttrMultiProcessorCount);
}

}  // namespace mec::cuda::simt::inline MEC_SIMT
