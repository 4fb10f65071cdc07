// In place of the GPU backend, in a build without CUDA.
#include "mec/tensor/devices.h"

namespace mec {

CudaDescription describe_cuda() { return {.reason = "built without CUDA"}; }

Device make_cuda_device(const CudaOptions& /*options*/) { throw DeviceError(concat("device cuda: ", describe_cuda().reason)); }

}  // namespace mec
