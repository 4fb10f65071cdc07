#include "mec/tensor/backends/cuda/cudnn/cudnn_stream.h"

#include "mec/tensor/backends/cuda/cudnn/cudnn_graph.h"

namespace mec::cuda {

CudnnStream::CudnnStream(void* stream) : stream_(stream) {
  cudnnHandle_t handle = nullptr;
  MEC_CHECK_CUDNN(cudnnCreate(&handle));
  handle_ = handle;
  try {
    MEC_CHECK_CUDNN(cudnnSetStream(handle, static_cast<cudaStream_t>(stream)));
  } catch (...) {
    static_cast<void>(cudnnDestroy(handle));
    throw;
  }
}

CudnnStream::~CudnnStream() { static_cast<void>(cudnnDestroy(static_cast<cudnnHandle_t>(handle_))); }

}  // namespace mec::cuda
