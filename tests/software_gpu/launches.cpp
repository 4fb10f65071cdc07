// Launches of our own kernels go to the software GPU's streams, and run there under the emulator.
#include "mec/tensor/backends/cuda/kernels/emulator.h"
#include "mec/tensor/error.h"
#include "software_gpu/streams.h"

namespace mec::software_gpu {
namespace {

// As launch.cu does after each launch on a device: an earlier error that nobody took is found here,
// too.
void to_stream(cuda::simt::Launch launch) {
  const cudaError_t refused = enqueue(static_cast<cudaStream_t>(launch.stream),
                                      {.name = launch.kernel, .words = std::move(launch.words), .run = std::move(launch.run)});
  const cudaError_t earlier = cudaGetLastError();
  const cudaError_t status = refused != cudaSuccess ? refused : earlier;
  check<DeviceError>(status == cudaSuccess, launch.kernel, ": the device refused the launch: ", cudaGetErrorString(status));
}

[[maybe_unused]] const bool kSet = (cuda::simt::set_launcher(to_stream), true);

}  // namespace
}  // namespace mec::software_gpu
