// cuSOLVER, as much of it as mec calls: LU, its solution and Cholesky by plain loops, column by
// column.
#include <cusolverDn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "software_gpu/memory.h"
#include "software_gpu/streams.h"

using namespace mec::software_gpu;

namespace {

constexpr int kWorkspace = 64;  // elements, of each function

struct Solver {
  cudaStream_t stream = nullptr;
};
Solver& of(cusolverDnHandle_t handle) { return *reinterpret_cast<Solver*>(handle); }

std::uintptr_t word(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

// A matrix as the library is told of it.
template <class T> struct Matrix {
  T* memory;
  int leading;
  T& operator()(int row, int column) const { return memory[static_cast<std::ptrdiff_t>(column) * leading + row]; }
};

cusolverStatus_t to_stream(cusolverDnHandle_t handle, Operation operation) {
  return enqueue(of(handle).stream, std::move(operation)) == cudaSuccess ? CUSOLVER_STATUS_SUCCESS
                                                                         : CUSOLVER_STATUS_EXECUTION_FAILED;
}

// P A = L U in place, with partial pivoting. info: the first column whose pivot is 0, counted from
// 1.
template <class T> void factor(int m, int n, Matrix<T> a, int* pivots, int* info) {
  *info = 0;
  for (int k = 0; k < std::min(m, n); ++k) {
    int largest = k;
    for (int i = k + 1; i < m; ++i) {
      if (std::fabs(a(i, k)) > std::fabs(a(largest, k))) largest = i;
    }
    pivots[k] = largest + 1;
    for (int j = 0; j < n; ++j) std::swap(a(k, j), a(largest, j));
    if (a(k, k) == T(0) && *info == 0) *info = k + 1;
    for (int i = k + 1; i < m; ++i) {
      if (a(k, k) != T(0)) a(i, k) /= a(k, k);
      for (int j = k + 1; j < n; ++j) a(i, j) -= a(i, k) * a(k, j);
    }
  }
}

template <class T> void solve(int n, int right, Matrix<T> lu, const int* pivots, Matrix<T> b) {
  for (int c = 0; c < right; ++c) {
    for (int k = 0; k < n; ++k) std::swap(b(k, c), b(pivots[k] - 1, c));
    for (int k = 0; k < n; ++k) {
      for (int i = k + 1; i < n; ++i) b(i, c) -= lu(i, k) * b(k, c);
    }
    for (int k = n - 1; k >= 0; --k) {
      b(k, c) /= lu(k, k);
      for (int i = 0; i < k; ++i) b(i, c) -= lu(i, k) * b(k, c);
    }
  }
}

// A = UᵀU, the upper triangle in place. info: the first leading minor that is not positive, counted
// from 1.
template <class T> void cholesky(int n, Matrix<T> a, int* info) {
  *info = 0;
  for (int j = 0; j < n; ++j) {
    T rest = a(j, j);
    for (int k = 0; k < j; ++k) rest -= a(k, j) * a(k, j);
    if (!(rest > T(0))) {
      *info = j + 1;
      return;
    }
    a(j, j) = std::sqrt(rest);
    for (int i = j + 1; i < n; ++i) {
      T sum = a(j, i);
      for (int k = 0; k < j; ++k) sum -= a(k, j) * a(k, i);
      a(j, i) = sum / a(j, j);
    }
  }
}

template <class T>
cusolverStatus_t start_factor(cusolverDnHandle_t handle, int m, int n, T* a, int leading, T* workspace, int* pivots,
                              int* info) {
  if (leading < m || !is_device_memory(workspace, kWorkspace * sizeof(T))) return CUSOLVER_STATUS_INVALID_VALUE;
  return to_stream(handle, {.name = "getrf", .words = {word(a), word(workspace), word(pivots), word(info)}, .run = [=] {
                              std::memset(workspace, 0xff, kWorkspace * sizeof(T));
                              factor<T>(m, n, {a, leading}, pivots, info);
                            }});
}

template <class T>
cusolverStatus_t start_solve(cusolverDnHandle_t handle, cublasOperation_t op, int n, int right, const T* lu, int leading,
                             const int* pivots, T* b, int leading_b, int* info) {
  if (leading < n || leading_b < n) return CUSOLVER_STATUS_INVALID_VALUE;
  if (op != CUBLAS_OP_N) return CUSOLVER_STATUS_NOT_SUPPORTED;
  return to_stream(handle, {.name = "getrs", .words = {word(lu), word(pivots), word(b), word(info)}, .run = [=] {
                              *info = 0;
                              solve<T>(n, right, {const_cast<T*>(lu), leading}, pivots, {b, leading_b});
                            }});
}

template <class T>
cusolverStatus_t start_cholesky(cusolverDnHandle_t handle, cublasFillMode_t fill, int n, T* a, int leading, T* workspace,
                                int elements, int* info) {
  if (leading < n || elements < kWorkspace || !is_device_memory(workspace, kWorkspace * sizeof(T))) {
    return CUSOLVER_STATUS_INVALID_VALUE;
  }
  if (fill != CUBLAS_FILL_MODE_UPPER) return CUSOLVER_STATUS_NOT_SUPPORTED;
  return to_stream(handle, {.name = "potrf", .words = {word(a), word(workspace), word(info)}, .run = [=] {
                              std::memset(workspace, 0xff, kWorkspace * sizeof(T));
                              cholesky<T>(n, {a, leading}, info);
                            }});
}

}  // namespace

extern "C" {

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  *handle = reinterpret_cast<cusolverDnHandle_t>(new Solver);
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  delete &of(handle);
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) {
  of(handle).stream = stream;
  return CUSOLVER_STATUS_SUCCESS;
}

#define MEC_STAND_IN_FOR_SOLVER(letter, T)                                                                                   \
  cusolverStatus_t cusolverDn##letter##getrf_bufferSize(cusolverDnHandle_t, int, int, T*, int, int* elements) {              \
    *elements = kWorkspace;                                                                                                  \
    return CUSOLVER_STATUS_SUCCESS;                                                                                          \
  }                                                                                                                          \
  cusolverStatus_t cusolverDn##letter##getrf(cusolverDnHandle_t handle, int m, int n, T* a, int leading, T* workspace,       \
                                             int* pivots, int* info) {                                                       \
    return start_factor(handle, m, n, a, leading, workspace, pivots, info);                                                  \
  }                                                                                                                          \
  cusolverStatus_t cusolverDn##letter##getrs(cusolverDnHandle_t handle, cublasOperation_t op, int n, int right, const T* lu, \
                                             int leading, const int* pivots, T* b, int leading_b, int* info) {               \
    return start_solve(handle, op, n, right, lu, leading, pivots, b, leading_b, info);                                       \
  }                                                                                                                          \
  cusolverStatus_t cusolverDn##letter##potrf_bufferSize(cusolverDnHandle_t, cublasFillMode_t, int, T*, int, int* elements) { \
    *elements = kWorkspace;                                                                                                  \
    return CUSOLVER_STATUS_SUCCESS;                                                                                          \
  }                                                                                                                          \
  cusolverStatus_t cusolverDn##letter##potrf(cusolverDnHandle_t handle, cublasFillMode_t fill, int n, T* a, int leading,     \
                                             T* workspace, int elements, int* info) {                                        \
    return start_cholesky(handle, fill, n, a, leading, workspace, elements, info);                                           \
  }

MEC_STAND_IN_FOR_SOLVER(S, float)
MEC_STAND_IN_FOR_SOLVER(D, double)

}  // extern "C"
