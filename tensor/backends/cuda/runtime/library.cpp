#include "mec/tensor/backends/cuda/runtime/library.h"

#include <cublas_api.h>
#include <cudnn_version.h>
#include <cusolver_common.h>
#include <dlfcn.h>

#include "mec/tensor/error.h"

#define MEC_TEXT_OF(number) #number
#define MEC_TEXT(macro) MEC_TEXT_OF(macro)
#ifndef MEC_LIBRARY_FOLDER  // tests name one, with stand-ins for these libraries
#define MEC_LIBRARY_FOLDER ""
#endif

namespace mec::cuda {

constinit Library cublaslt{MEC_LIBRARY_FOLDER "libcublasLt.so." MEC_TEXT(CUBLAS_VER_MAJOR), MEC_CUBLASLT_FILE};
constinit Library cudnn{MEC_LIBRARY_FOLDER "libcudnn.so." MEC_TEXT(CUDNN_MAJOR), MEC_CUDNN_FILE};
constinit Library cusolver{MEC_LIBRARY_FOLDER "libcusolver.so." MEC_TEXT(CUSOLVER_VER_MAJOR), MEC_CUSOLVER_FILE};
constinit Library nccl{MEC_LIBRARY_FOLDER "libnccl.so.2", MEC_NCCL_FILE};

void* Library::function(const char* name) {
  std::call_once(opened_, [this] {
    handle_ = dlopen(name_, RTLD_NOW | RTLD_LOCAL);
    if (handle_) return;
    const std::string reason = dlerror();
    handle_ = dlopen(built_with_, RTLD_NOW | RTLD_LOCAL);
    check<DeviceError>(handle_ != nullptr, "device cuda: ", name_, " is not where the system looks for libraries (", reason,
                       "), and where mec was built it was ", built_with_, "; LD_LIBRARY_PATH may name its folder");
  });
  void* const found = dlsym(handle_, name);
  check<DeviceError>(found != nullptr, "device cuda: ", name_, " has no ", name, "; mec was built with another version");
  return found;
}

}  // namespace mec::cuda
