#include "cuda_runtime/fake_libraries.h"

#include <cusolverDn.h>

#include <map>
#include <string>

#include "mec/tensor/cuda/library.h"
#include "mec/tensor/error.h"

namespace mec::test {
namespace {

template <class... Arguments> cublasStatus_t succeed(Arguments...) { return CUBLAS_STATUS_SUCCESS; }
// Creates nothing, but a handle that is not null.
template <class Handle, class... Arguments> cublasStatus_t create(Handle* handle, Arguments...) {
  *handle = reinterpret_cast<Handle>(std::uintptr_t{8});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t heuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                         cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
                         cublasLtMatmulHeuristicResult_t*, int* count) {
  ++fake_libraries().asked;
  *count = fake_libraries().algorithms;
  return fake_libraries().heuristic;
}
cublasStatus_t matmul(cublasLtHandle_t, cublasLtMatmulDesc_t, const void*, const void*, cublasLtMatrixLayout_t, const void*,
                      cublasLtMatrixLayout_t, const void*, const void*, cublasLtMatrixLayout_t, void*, cublasLtMatrixLayout_t,
                      const cublasLtMatmulAlgo_t*, void*, size_t, cudaStream_t) {
  ++fake_libraries().products;
  return CUBLAS_STATUS_SUCCESS;
}
const char* status_text(cublasStatus_t) { return "as the fake library says"; }

cusolverStatus_t open_solver(cusolverDnHandle_t* handle) {
  ++fake_libraries().solvers_opened;
  *handle = reinterpret_cast<cusolverDnHandle_t>(std::uintptr_t{8});
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t close_solver(cusolverDnHandle_t) { return CUSOLVER_STATUS_SUCCESS; }
cusolverStatus_t set_stream(cusolverDnHandle_t, cudaStream_t stream) {
  fake_libraries().solver_stream = stream;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t buffer_size(cusolverDnHandle_t, cublasFillMode_t, int n, float*, int, int* elements) {
  *elements = 3 * n;
  return CUSOLVER_STATUS_SUCCESS;
}

template <class Function> void* address(Function* function) { return reinterpret_cast<void*>(function); }

void* find(const std::string& name) {
  static const std::map<std::string, void*> functions{
      {"cublasLtCreate", address(&create<cublasLtHandle_t>)},
      {"cublasLtDestroy", address(&succeed<cublasLtHandle_t>)},
      {"cublasLtGetStatusString", address(&status_text)},
      {"cublasLtMatmul", address(&matmul)},
      {"cublasLtMatmulAlgoGetHeuristic", address(&heuristic)},
      {"cublasLtMatmulDescCreate", address(&create<cublasLtMatmulDesc_t, cublasComputeType_t, cudaDataType_t>)},
      {"cublasLtMatmulDescDestroy", address(&succeed<cublasLtMatmulDesc_t>)},
      {"cublasLtMatmulDescSetAttribute",
       address(&succeed<cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, const void*, size_t>)},
      {"cublasLtMatmulPreferenceCreate", address(&create<cublasLtMatmulPreference_t>)},
      {"cublasLtMatmulPreferenceDestroy", address(&succeed<cublasLtMatmulPreference_t>)},
      {"cublasLtMatmulPreferenceSetAttribute",
       address(&succeed<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, const void*, size_t>)},
      {"cublasLtMatrixLayoutCreate", address(&create<cublasLtMatrixLayout_t, cudaDataType_t, uint64_t, uint64_t, int64_t>)},
      {"cublasLtMatrixLayoutDestroy", address(&succeed<cublasLtMatrixLayout_t>)},
      {"cusolverDnCreate", address(&open_solver)},
      {"cusolverDnDestroy", address(&close_solver)},
      {"cusolverDnSetStream", address(&set_stream)},
      {"cusolverDnSpotrf_bufferSize", address(&buffer_size)},
  };
  const auto found = functions.find(name);
  check<Error>(found != functions.end(), "fake libraries: there is no ", name);
  return found->second;
}

}  // namespace

FakeLibraries& fake_libraries() {
  static FakeLibraries libraries;
  return libraries;
}

}  // namespace mec::test

namespace mec::cuda {

constinit Library cublaslt{"", ""};
constinit Library cudnn{"", ""};
constinit Library cusolver{"", ""};

void* Library::function(const char* name) { return test::find(name); }

}  // namespace mec::cuda
