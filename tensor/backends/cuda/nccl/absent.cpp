// In place of NCCL, in a build without it.
#include "mec/tensor/backends/cuda/nccl/collectives.h"

namespace mec::cuda {

std::unique_ptr<Collectives> make_collectives(int /*device*/, cudaStream_t /*stream*/) {
  throw DeviceError("device cuda: built without NCCL");
}

}  // namespace mec::cuda
