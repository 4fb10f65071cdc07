#include "mec/tensor/backends/cuda/decompositions.h"

#include <cusolverDn.h>

#include "mec/tensor/backends/cuda/runtime/library.h"
#include "mec/tensor/backends/cuda/runtime/runtime.h"

namespace mec::cuda {

MEC_FUNCTION_OF(cusolver, cusolverDnCreate);
MEC_FUNCTION_OF(cusolver, cusolverDnDestroy);
MEC_FUNCTION_OF(cusolver, cusolverDnSetStream);
MEC_FUNCTION_OF(cusolver, cusolverDnSgetrf);
MEC_FUNCTION_OF(cusolver, cusolverDnSgetrf_bufferSize);
MEC_FUNCTION_OF(cusolver, cusolverDnSgetrs);
MEC_FUNCTION_OF(cusolver, cusolverDnSpotrf);
MEC_FUNCTION_OF(cusolver, cusolverDnSpotrf_bufferSize);
MEC_FUNCTION_OF(cusolver, cusolverDnDgetrf);
MEC_FUNCTION_OF(cusolver, cusolverDnDgetrf_bufferSize);
MEC_FUNCTION_OF(cusolver, cusolverDnDgetrs);
MEC_FUNCTION_OF(cusolver, cusolverDnDpotrf);
MEC_FUNCTION_OF(cusolver, cusolverDnDpotrf_bufferSize);

namespace {

void check_cusolver(cusolverStatus_t status, const char* expression, const char* file, int line) {
  if (status != CUSOLVER_STATUS_SUCCESS) fail("cuSOLVER", expression, concat("status ", static_cast<int>(status)), file, line);
}
#define MEC_CHECK_CUSOLVER(expression) check_cusolver((expression), #expression, __FILE__, __LINE__)

using SolverHandle = Handle<cusolverDnHandle_t, [](cusolverDnHandle_t handle) { return cusolverDnDestroy(handle); }>;

// The library's functions for one type of element.
template <class T> struct Solver;
template <> struct Solver<float> {
  static constexpr auto& getrf_buffer = cusolverDnSgetrf_bufferSize;
  static constexpr auto& getrf = cusolverDnSgetrf;
  static constexpr auto& getrs = cusolverDnSgetrs;
  static constexpr auto& potrf_buffer = cusolverDnSpotrf_bufferSize;
  static constexpr auto& potrf = cusolverDnSpotrf;
};
template <> struct Solver<double> {
  static constexpr auto& getrf_buffer = cusolverDnDgetrf_bufferSize;
  static constexpr auto& getrf = cusolverDnDgetrf;
  static constexpr auto& getrs = cusolverDnDgetrs;
  static constexpr auto& potrf_buffer = cusolverDnDpotrf_bufferSize;
  static constexpr auto& potrf = cusolverDnDpotrf;
};

// The library takes sizes as int.
int order_of(std::int64_t n) {
  check<ShapeError>(n <= 32768, "decompositions: cuSOLVER is given matrices up to (32768,32768), but this one has ", n,
                    " rows");
  return static_cast<int>(n);
}

template <class T> int elements_of(const Workspace& workspace) { return static_cast<int>(workspace.bytes / sizeof(T)); }

}  // namespace

struct Decompositions::Impl {
  explicit Impl(cudaStream_t work) : stream(work) {}

  cudaStream_t stream;
  SolverHandle opened = {};

  cusolverDnHandle_t library() {
    if (!opened) open();
    return opened.get();
  }

 private:
  void open() {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    MEC_CHECK_CUDA(cudaStreamIsCapturing(stream, &status));
    check<DeviceError>(status == cudaStreamCaptureStatusNone,
                       "cuda: a step that is captured uses cuSOLVER for the first time; run it once before");
    cusolverDnHandle_t library = nullptr;
    MEC_CHECK_CUSOLVER(cusolverDnCreate(&library));
    SolverHandle made(library);
    MEC_CHECK_CUSOLVER(cusolverDnSetStream(library, stream));
    opened = std::move(made);
  }
};

Decompositions::Decompositions(void* stream) : impl_(std::make_unique<Impl>(static_cast<cudaStream_t>(stream))) {}

Decompositions::~Decompositions() = default;

std::size_t Decompositions::lu_workspace(std::int64_t n, Dtype dtype) {
  const int order = order_of(n);
  return dispatch_real("lu", dtype, [&]<class T>() {
    int elements = 0;
    MEC_CHECK_CUSOLVER(Solver<T>::getrf_buffer(impl_->library(), order, order, static_cast<T*>(nullptr), order, &elements));
    return static_cast<std::size_t>(elements) * sizeof(T);
  });
}

std::size_t Decompositions::cholesky_workspace(std::int64_t n, Dtype dtype) {
  const int order = order_of(n);
  return dispatch_real("cholesky", dtype, [&]<class T>() {
    int elements = 0;
    MEC_CHECK_CUSOLVER(
        Solver<T>::potrf_buffer(impl_->library(), CUBLAS_FILL_MODE_UPPER, order, static_cast<T*>(nullptr), order, &elements));
    return static_cast<std::size_t>(elements) * sizeof(T);
  });
}

void Decompositions::lu(Out a, Out pivots, int* info, const Workspace& workspace) {
  const int n = order_of(a.shape[0]);
  dispatch_real("lu", a.dtype, [&]<class T>() {
    MEC_CHECK_CUSOLVER(
        Solver<T>::getrf(impl_->library(), n, n, a.as<T>(), n, static_cast<T*>(workspace.memory), pivots.as<int>(), info));
  });
}

void Decompositions::lu_solve(In lu, In pivots, Out inverse, int* info) {
  const int n = order_of(lu.shape[0]);
  dispatch_real("lu_inverse", lu.dtype, [&]<class T>() {
    MEC_CHECK_CUSOLVER(
        Solver<T>::getrs(impl_->library(), CUBLAS_OP_N, n, n, lu.as<T>(), n, pivots.as<int>(), inverse.as<T>(), n, info));
  });
}

void Decompositions::cholesky(Out a, int* info, const Workspace& workspace) {
  const int n = order_of(a.shape[0]);
  dispatch_real("cholesky", a.dtype, [&]<class T>() {
    MEC_CHECK_CUSOLVER(Solver<T>::potrf(impl_->library(), CUBLAS_FILL_MODE_UPPER, n, a.as<T>(), n,
                                        static_cast<T*>(workspace.memory), elements_of<T>(workspace), info));
  });
}

}  // namespace mec::cuda
