#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {
namespace {

template <class T> std::int64_t largest_below(const T* a, std::int64_t n, std::int64_t column) {
  std::int64_t best = column;
  for (std::int64_t r = column + 1; r < n; ++r) {
    if (std::fabs(a[r * n + column]) > std::fabs(a[best * n + column])) best = r;
  }
  return best;
}

// Whether the diagonal of U says that there is an inverse.
template <class T> bool invertible(const T* lu, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k) {
    if (lu[k * (n + 1)] == 0 || !functor::is_finite(lu[k * (n + 1)])) return false;
  }
  return true;
}

}  // namespace

// Gaussian elimination with partial pivoting. pivots[k] is the row, counted from 0, that was
// swapped with row k. A value that is not finite spreads to the last diagonal element at the
// latest.
void run(ReferenceBackend&, const kernel::Lu& call) {
  const std::int64_t n = call.a.shape[0];
  dispatch_real(call.name, call.a.dtype, [&]<class T>() {
    T* m = call.a.as<T>();
    T log_abs = 0, sign = 1;
    bool finite = true;
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t pivot = largest_below(m, n, k);
      call.pivots.as<std::int32_t>()[k] = static_cast<std::int32_t>(pivot);
      if (pivot != k) {
        std::swap_ranges(m + k * n, m + (k + 1) * n, m + pivot * n);
        sign = -sign;
      }
      const T diagonal = m[k * n + k];
      log_abs += std::log(std::fabs(diagonal));  // a sum of logs: the product itself would overflow
      sign *= diagonal < 0 ? T(-1) : diagonal == 0 ? T(0) : T(1);
      finite = finite && functor::is_finite(diagonal);
      for (std::int64_t r = k + 1; r < n; ++r) {
        if (diagonal != 0) m[r * n + k] /= diagonal;  // else the column below is 0 as well
        const T factor = m[r * n + k];
        for (std::int64_t c = k + 1; c < n; ++c) m[r * n + c] -= factor * m[k * n + c];
      }
    }
    call.log_det.as<T>()[0] = finite ? log_abs : std::numeric_limits<T>::quiet_NaN();
    call.log_det.as<T>()[1] = finite ? sign : std::numeric_limits<T>::quiet_NaN();
  });
}

// Column j of A⁻¹ solves L U x = P e_j.
void run(ReferenceBackend&, const kernel::LuInverse& call) {
  const std::int64_t n = call.lu.shape[0];
  dispatch_real(call.name, call.lu.dtype, [&]<class T>() {
    const T* m = call.lu.as<T>();
    if (!invertible(m, n)) {
      std::fill_n(call.inverse.as<T>(), n * n, std::numeric_limits<T>::quiet_NaN());
      return;
    }
    std::vector<T> x(static_cast<std::size_t>(n));
    for (std::int64_t j = 0; j < n; ++j) {
      std::fill(x.begin(), x.end(), T(0));
      x[static_cast<std::size_t>(j)] = 1;
      for (std::int64_t k = 0; k < n; ++k) std::swap(x.data()[k], x.data()[call.pivots.as<std::int32_t>()[k]]);
      for (std::int64_t r = 0; r < n; ++r) {
        for (std::int64_t c = 0; c < r; ++c) x.data()[r] -= m[r * n + c] * x.data()[c];
      }
      for (std::int64_t r = n - 1; r >= 0; --r) {
        for (std::int64_t c = r + 1; c < n; ++c) x.data()[r] -= m[r * n + c] * x.data()[c];
        x.data()[r] /= m[r * n + r];
      }
      for (std::int64_t r = 0; r < n; ++r) call.inverse.as<T>()[r * n + j] = x.data()[r];
    }
  });
}

// l_jj = √(a_jj − Σ l_jk²), l_ij = (a_ij − Σ l_ik l_jk)/l_jj, column by column.
void run(ReferenceBackend&, const kernel::Cholesky& call) {
  const std::int64_t n = call.a.shape[0];
  dispatch_real(call.name, call.a.dtype, [&]<class T>() {
    T* m = call.a.as<T>();
    T* result = call.log_det.as<T>();
    result[0] = 0;
    result[1] = 1;
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t i = j; i < n; ++i) {
        T rest = m[i * n + j];
        for (std::int64_t k = 0; k < j; ++k) rest -= m[i * n + k] * m[j * n + k];
        m[i * n + j] = i == j ? rest : rest / m[j * n + j];
        if (i != j) continue;
        if (!(rest > 0) || !functor::is_finite(rest)) {
          result[0] = std::numeric_limits<T>::quiet_NaN();
          result[1] = 0;
          return;
        }
        m[j * n + j] = std::sqrt(rest);
        result[0] += std::log(rest);
      }
    }
  });
}

constinit const LinalgKernels linalg_kernels = KernelsOf<ReferenceBackend, LinalgKernels>::table;

}  // namespace mec::reference
