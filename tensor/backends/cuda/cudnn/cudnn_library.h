// The functions of cuDNN that mec calls.
#pragma once

#include <cudnn.h>

#include "mec/tensor/backends/cuda/runtime/library.h"

namespace mec::cuda {

MEC_FUNCTION_OF(cudnn, cudnnBackendCreateDescriptor);
MEC_FUNCTION_OF(cudnn, cudnnBackendDestroyDescriptor);
MEC_FUNCTION_OF(cudnn, cudnnBackendExecute);
MEC_FUNCTION_OF(cudnn, cudnnBackendFinalize);
MEC_FUNCTION_OF(cudnn, cudnnBackendGetAttribute);
MEC_FUNCTION_OF(cudnn, cudnnBackendSetAttribute);
MEC_FUNCTION_OF(cudnn, cudnnCreate);
MEC_FUNCTION_OF(cudnn, cudnnDestroy);
MEC_FUNCTION_OF(cudnn, cudnnGetErrorString);
MEC_FUNCTION_OF(cudnn, cudnnGetLastErrorString);
MEC_FUNCTION_OF(cudnn, cudnnGetVersion);
MEC_FUNCTION_OF(cudnn, cudnnSetStream);

}  // namespace mec::cuda
