#include "mec/tensor/backends/cpu/blas.h"

#if MEC_HAVE_BLAS
#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <atomic>

#include "mec/tensor/backends/cpu/addresses.h"
#include "mec/tensor/backends/cpu/threads.h"
#endif

namespace mec::cpu {

#if MEC_HAVE_BLAS

namespace {

// When the number of threads grows, OpenBLAS maps a buffer for each new thread and one for the
// caller, and keeps them until the process ends. The count of threads that have one is therefore
// static.
void check_buffers() {
  static std::atomic<int> threads_with_buffers{0};
  constexpr std::size_t kBuffer = std::size_t{128} << 20;
  const int threads = ThreadScope::current();
  if (threads <= threads_with_buffers) return;
  const int more = std::max(0, threads - openblas_get_num_threads()) + 1;
  check_addresses(static_cast<std::size_t>(more) * kBuffer, "OpenBLAS");
  threads_with_buffers = threads;
}

}  // namespace

void blas_matmul(const In& a, const In& b, const Out& c, const MatmulArgs& args) {
  check_buffers();
  const auto m = static_cast<int>(c.shape[0]), n = static_cast<int>(c.shape[1]);
  const auto k = static_cast<int>(a.shape[args.trans_a ? 0 : 1]);
  const auto a_trans = args.trans_a ? CblasTrans : CblasNoTrans, b_trans = args.trans_b ? CblasTrans : CblasNoTrans;
  const int a_stride = args.trans_a ? m : k, b_stride = args.trans_b ? k : n;
  if (a.dtype == Dtype::f32) {
    cblas_sgemm(CblasRowMajor, a_trans, b_trans, m, n, k, 1.0F, a.as<float>(), a_stride, b.as<float>(), b_stride,
                args.accumulate ? 1.0F : 0.0F, c.as<float>(), n);
  } else {
    cblas_dgemm(CblasRowMajor, a_trans, b_trans, m, n, k, 1.0, a.as<double>(), a_stride, b.as<double>(), b_stride,
                args.accumulate ? 1.0 : 0.0, c.as<double>(), n);
  }
}

void lapack_lu(const Out& columns, std::int32_t* pivots) {
  check_buffers();
  const auto n = static_cast<lapack_int>(columns.shape[0]);
  if (columns.dtype == Dtype::f32) {
    LAPACKE_sgetrf_work(LAPACK_COL_MAJOR, n, n, columns.as<float>(), n, pivots);
  } else {
    LAPACKE_dgetrf_work(LAPACK_COL_MAJOR, n, n, columns.as<double>(), n, pivots);
  }
}

void lapack_lu_inverse(const Out& columns, const std::int32_t* pivots) {
  check_buffers();
  const auto n = static_cast<lapack_int>(columns.shape[0]);
  if (columns.dtype == Dtype::f32) {
    LAPACKE_sgetri(LAPACK_COL_MAJOR, n, columns.as<float>(), n, pivots);
  } else {
    LAPACKE_dgetri(LAPACK_COL_MAJOR, n, columns.as<double>(), n, pivots);
  }
}

bool lapack_cholesky(const Out& rows) {
  check_buffers();
  // A symmetric matrix is its own transpose, and UᵀU by columns is LLᵀ by rows.
  const auto n = static_cast<lapack_int>(rows.shape[0]);
  const auto info = rows.dtype == Dtype::f32 ? LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', n, rows.as<float>(), n)
                                             : LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', n, rows.as<double>(), n);
  return info == 0;
}

#else

void blas_matmul(const In&, const In&, const Out&, const MatmulArgs&) {}
void lapack_lu(const Out&, std::int32_t*) {}
void lapack_lu_inverse(const Out&, const std::int32_t*) {}
bool lapack_cholesky(const Out&) { return false; }

#endif

}  // namespace mec::cpu
