// Decompositions without LAPACK: textbook elimination, row by row so that the inner loops
// vectorise.
#include <cmath>

#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

template <class T> void subtract(T* y, const T* x, T factor, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] -= factor * x[i];
}

template <class T> void swap_rows(T* a, T* b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
}

std::int64_t row_grain(std::int64_t columns) { return larger(1, kGrain / larger(columns, 1)); }

}  // namespace

void LoopsBackend::portable_lu(Out a, Out pivots) {
  const std::int64_t n = a.shape[0];
  auto* const swaps = static_cast<std::int32_t*>(pivots.data);
  with_real(a.dtype, [&]<class T>() {
    T* const m = static_cast<T*>(a.data);
    for (std::int64_t k = 0; k < n; ++k) {
      std::int64_t best = k;
      for (std::int64_t r = k + 1; r < n; ++r) {
        if (std::fabs(m[r * n + k]) > std::fabs(m[best * n + k])) best = r;
      }
      swaps[k] = static_cast<std::int32_t>(best);
      if (best != k) swap_rows(m + k * n, m + best * n, n);
      const T diagonal = m[k * n + k];
      if (diagonal == T(0)) continue;  // the column below is 0 as well
      const std::int64_t right = n - k - 1;
      parallel_for(team(), right, row_grain(right), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = k + 1 + begin; r < k + 1 + end; ++r) {
          const T factor = m[r * n + k] /= diagonal;
          subtract(m + r * n + k + 1, m + k * n + k + 1, factor, right);
        }
      });
    }
  });
}

// L U X = P: the columns of X are independent, so that each task solves for some of them.
void LoopsBackend::portable_lu_inverse(In lu, In pivots, Out inverse) {
  const std::int64_t n = lu.shape[0];
  const auto* const swaps = static_cast<const std::int32_t*>(pivots.data);
  with_real(lu.dtype, [&]<class T>() {
    const T* const m = static_cast<const T*>(lu.data);
    T* const x = static_cast<T*>(inverse.data);
    constexpr std::int64_t kColumns = 64;
    parallel_for(team(), n, kColumns, [=](std::int64_t begin, std::int64_t end) {
      const std::int64_t width = end - begin;
      for (std::int64_t r = 0; r < n; ++r) {
        for (std::int64_t c = begin; c < end; ++c) x[r * n + c] = r == c ? T(1) : T(0);
      }
      for (std::int64_t k = 0; k < n; ++k) {
        if (swaps[k] != k) swap_rows(x + k * n + begin, x + swaps[k] * n + begin, width);
      }
      for (std::int64_t r = 0; r < n; ++r) {
        for (std::int64_t k = 0; k < r; ++k) subtract(x + r * n + begin, x + k * n + begin, m[r * n + k], width);
      }
      for (std::int64_t r = n - 1; r >= 0; --r) {
        for (std::int64_t k = r + 1; k < n; ++k) subtract(x + r * n + begin, x + k * n + begin, m[r * n + k], width);
        for (std::int64_t c = begin; c < end; ++c) x[r * n + c] /= m[r * n + r];
      }
    });
  });
}

// l_jj = √(a_jj − Σ l_jk²), l_ij = (a_ij − Σ l_ik l_jk)/l_jj, column by column.
bool LoopsBackend::portable_cholesky(Out a) {
  const std::int64_t n = a.shape[0];
  bool positive = true;
  with_real(a.dtype, [&]<class T>() {
    T* const m = static_cast<T*>(a.data);
    const auto rest = [=](std::int64_t i, std::int64_t j) {
      T sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t k = 0; k < j; ++k) sum += m[i * n + k] * m[j * n + k];
      return m[i * n + j] - sum;
    };
    for (std::int64_t j = 0; j < n && positive; ++j) {
      const T square = rest(j, j);
      positive = square > T(0);
      if (!positive) return;
      const T diagonal = m[j * n + j] = std::sqrt(square);
      parallel_for(team(), n - j - 1, row_grain(j), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = j + 1 + begin; i < j + 1 + end; ++i) m[i * n + j] = rest(i, j) / diagonal;
      });
    }
  });
  return positive;
}

}  // namespace mec::cpu::MEC_ISA
