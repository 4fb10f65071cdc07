#include <cmath>
#include <limits>

#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"

namespace mec::cuda::MEC_SIMT {
namespace {

template <class T> SIMT_KERNEL identity_kernel(T* y, std::int64_t n) {
  for_each_index(n * n, [=](std::int64_t i) { y[i] = i / n == i % n ? T(1) : T(0); });
}

// One block. A sum of logs, in f64: the product itself would overflow.
template <class T>
SIMT_KERNEL lu_log_det_kernel(const T* lu, const std::int32_t* pivots, std::int32_t first_row, T* result, std::int64_t n) {
  SIMT_SHARED(double, sums, kWarp);
  SIMT_SHARED(int, counts, kWarp);
  double log_abs = 0;
  int turns = 0, zeros = 0, wild = 0;  // changes of sign; zeros; values that are not finite
  for (std::int64_t k = simt::thread(); k < n; k += simt::threads()) {
    const T diagonal = lu[k * n + k];
    log_abs += std::log(std::fabs(static_cast<double>(diagonal)));
    zeros += diagonal == T(0);
    wild += !functor::is_finite(diagonal);
    turns += (diagonal < T(0)) + (pivots[k] - first_row != k);
  }
  log_abs = block_sum(log_abs, sums);
  turns = block_sum(turns, counts);
  zeros = block_sum(zeros, counts);
  wild = block_sum(wild, counts);
  if (simt::thread() != 0) return;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  result[0] = wild > 0 ? nan : T(log_abs);
  result[1] = wild > 0 ? nan : zeros > 0 ? T(0) : turns % 2 == 0 ? T(1) : T(-1);
}

// Fills the inverse with NaN where there is none, whatever the library left there. Each block
// checks the whole diagonal.
template <class T> SIMT_KERNEL refuse_singular_kernel(const T* lu, T* inverse, std::int64_t n) {
  SIMT_SHARED(int, counts, kWarp);
  int refused = 0;
  for (std::int64_t k = simt::thread(); k < n; k += simt::threads()) {
    const T diagonal = lu[k * n + k];
    refused += diagonal == T(0) || !functor::is_finite(diagonal);
  }
  if (block_sum(refused, counts) == 0) return;
  for_each_index(n * n, [=](std::int64_t i) { inverse[i] = std::numeric_limits<T>::quiet_NaN(); });
}

// One block. A library may take a matrix with NaN for positive definite, so the diagonal is checked
// as well.
template <class T> SIMT_KERNEL cholesky_log_det_kernel(const T* lower, const int* info, T* result, std::int64_t n) {
  SIMT_SHARED(double, sums, kWarp);
  SIMT_SHARED(int, counts, kWarp);
  double log_sum = 0;
  int refused = 0;
  for (std::int64_t k = simt::thread(); k < n; k += simt::threads()) {
    const T diagonal = lower[k * n + k];
    refused += !(diagonal > T(0)) || !functor::is_finite(diagonal);
    log_sum += std::log(static_cast<double>(diagonal));
  }
  log_sum = block_sum(log_sum, sums);
  refused = block_sum(refused, counts);
  if (simt::thread() != 0) return;
  const bool definite = *info == 0 && refused == 0;
  result[0] = definite ? T(2 * log_sum) : std::numeric_limits<T>::quiet_NaN();
  result[1] = definite ? T(1) : T(0);
}

}  // namespace

void KernelBackend::identity(Out y) {
  const std::int64_t n = y.shape[0];
  dispatch_real("identity", y.dtype,
                [&]<class T>() { simt::launch("identity", identity_kernel<T>, grid_for(n * n), stream(), y.as<T>(), n); });
}

void KernelBackend::lu_log_det(In lu, In pivots, std::int32_t first_row, Out log_det) {
  dispatch_real("lu", lu.dtype, [&]<class T>() {
    simt::launch("lu_log_det", lu_log_det_kernel<T>, {.threads = kBlock}, stream(), lu.as<T>(), pivots.as<std::int32_t>(),
                 first_row, log_det.as<T>(), lu.shape[0]);
  });
}

void KernelBackend::refuse_singular(In lu, Out inverse) {
  const std::int64_t n = lu.shape[0];
  dispatch_real("lu_inverse", lu.dtype, [&]<class T>() {
    simt::launch("refuse_singular", refuse_singular_kernel<T>, grid_for(n * n), stream(), lu.as<T>(), inverse.as<T>(), n);
  });
}

void KernelBackend::cholesky_log_det(In lower, const int* info, Out log_det) {
  dispatch_real("cholesky", lower.dtype, [&]<class T>() {
    simt::launch("cholesky_log_det", cholesky_log_det_kernel<T>, {.threads = kBlock}, stream(), lower.as<T>(), info,
                 log_det.as<T>(), lower.shape[0]);
  });
}

}  // namespace mec::cuda::MEC_SIMT
