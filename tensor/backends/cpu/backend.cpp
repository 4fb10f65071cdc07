#include "mec/tensor/backends/cpu/backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "mec/tensor/backends/cpu/blas.h"
#include "mec/tensor/backends/cpu/onednn.h"
#include "mec/tensor/backends/cpu/parallel.h"
#include "mec/tensor/backends/cpu/threads.h"

namespace mec::cpu {

using common::kGrain;
using common::parallel_for;

namespace {

int threads_for(const CpuOptions& options) {
  const Threads threads = choose_threads(options.threads);
  if (options.note && !threads.complaint.empty()) options.note(threads.complaint);
  return threads.count;
}

}  // namespace

CpuBackend::CpuBackend(const CpuOptions& options)
    : threads_(threads_for(options)),
      portable_(options.portable),
      widens_bf16_(widens_bf16(options)),
      onednn_(std::make_unique<OneDnn>()) {}
CpuBackend::~CpuBackend() = default;

std::string CpuBackend::name() const { return "cpu"; }
CachingAllocator& CpuBackend::allocator() { return allocator_; }
std::int64_t CpuBackend::image_channels(std::int64_t file_channels) const { return file_channels; }
bool CpuBackend::supports(Dtype dtype) const { return is_floating(dtype); }
bool CpuBackend::host_readable() const { return true; }

CpuBackend::Scratch::Scratch(CpuBackend& backend, std::size_t bytes) : backend_(backend) {
  // No other thread stores this one's id.
  check<Error>(backend_.holder_ != std::this_thread::get_id(), "cpu: a kernel asks for ", bytes,
               " bytes of scratch memory while it holds a block of ", backend_.scratch_bytes_,
               "; take one block of both sizes and divide it, and call no kernel that needs scratch memory meanwhile");
  backend_.mutex_.lock();
  if (bytes > backend_.scratch_bytes_) {
    if (backend_.scratch_) backend_.allocator_.deallocate(backend_.scratch_);
    backend_.scratch_ = nullptr;
    backend_.scratch_bytes_ = 0;
    try {
      backend_.scratch_ = static_cast<std::byte*>(backend_.allocator_.allocate(bytes));
    } catch (...) {
      backend_.mutex_.unlock();
      throw;
    }
    backend_.scratch_bytes_ = bytes;
  }
  data_ = backend_.scratch_;
  backend_.holder_ = std::this_thread::get_id();
}
CpuBackend::Scratch::~Scratch() {
  backend_.holder_ = std::thread::id();
  backend_.mutex_.unlock();
}

void CpuBackend::upload(const void* host, Out y) {
  if (y.numel()) std::memcpy(y.data, host, static_cast<std::size_t>(y.numel() * size_of(y.dtype)));
}

void CpuBackend::download(In x, void* host) {
  if (x.numel()) std::memcpy(host, x.data, static_cast<std::size_t>(x.numel() * size_of(x.dtype)));
}

void CpuBackend::fill_random(Out y, const RandomArgs& args) {
  dispatch_real("fill_random", y.dtype, [&]<class T>() {
    T* const out = y.as<T>();
    parallel_for(threads_, y.numel(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] = random_element<T>(args, static_cast<std::uint32_t>(i));
    });
  });
}

void CpuBackend::matmul(In a, In b, Out c, const MatmulArgs& args) {
  // Libraries disagree on what a sum over nothing is.
  const bool empty = c.numel() == 0 || a.numel() == 0;
  if (portable_ || empty) return portable_matmul(a, b, c, args);
  const ThreadScope scope(threads_);
  // oneDNN compiles for the processor it finds. OpenBLAS 0.3.21 takes a Sapphire Rapids for a
  // Prescott: 37 instead of 150 GF/s.
  if (OneDnnPlan* plan = onednn_->matmul(a, c, args)) {
    const Scratch scratch(*this, plan->workspace_bytes());
    return plan->run(a.data, b.data, c.data, scratch.data());
  }
  if (kHaveBlas && a.dtype != Dtype::bf16) return blas_matmul(a, b, c, args);
  portable_matmul(a, b, c, args);
}

std::string CpuBackend::convolution_kernel(ConvDirection direction, In a, In b, In result, const Conv2dArgs& args) {
  const ThreadScope scope(threads_);
  const OneDnnPlan* plan = portable_ ? nullptr : onednn_->convolution(direction, a, b, result, args);
  return plan ? plan->kernel() : "";
}

namespace {

void check_portable(const char* op, const Shape& weight) {
  check<ValueError>(weight[1] * weight[2] <= kMaxPortableTaps, op, ": the portable kernels take up to ", kMaxPortableTaps,
                    " taps, but the weight is ", weight);
}

}  // namespace

void CpuBackend::conv2d(In x, In w, Out y, const Conv2dArgs& args) {
  if (library_convolution(ConvDirection::forward, x, w, y, args)) return;
  check_portable("conv2d", w.shape);
  portable_conv2d(x, w, y, args);
}

void CpuBackend::conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) {
  if (library_convolution(ConvDirection::grad_input, dy, w, dx, args)) return;
  check_portable("conv2d_grad_input", w.shape);
  portable_conv2d_grad_input(dy, w, dx, args);
}

void CpuBackend::conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) {
  if (!library_convolution(ConvDirection::grad_weight, dy, x, dw, args)) portable_conv2d_grad_weight(dy, x, dw, args);
}

namespace {

template <class T, class F> bool all_of_diagonal(const In& a, F f) {
  const std::int64_t n = a.shape[0];
  for (std::int64_t k = 0; k < n; ++k) {
    if (!f(a.as<T>()[k * n + k])) return false;
  }
  return true;
}

}  // namespace

// LAPACK promises nothing of matrices that are not finite, and a pivot found among NaNs may lie
// anywhere.
void CpuBackend::lu(Out a, Out pivots, Out log_det) {
  const std::int64_t n = a.shape[0];
  auto* const swaps = pivots.as<std::int32_t>();
  const bool finite =
      dispatch_real("lu", a.dtype, [&]<class T>() { return std::all_of(a.as<T>(), a.as<T>() + n * n, functor::is_finite<T>); });
  if (!finite) {
    fill(a, std::numeric_limits<double>::quiet_NaN());
    std::iota(swaps, swaps + n, 0);
  } else if (kHaveBlas && !portable_) {
    const ThreadScope scope(threads_);
    const Scratch scratch(*this, static_cast<std::size_t>(n * n * size_of(a.dtype)));
    const Out columns{scratch.data(), a.shape, a.dtype};
    transpose(a, columns);
    lapack_lu(columns, swaps);
    transpose(columns, a);
    for (std::int64_t k = 0; k < n; ++k) --swaps[k];  // LAPACK counts from 1
  } else {
    portable_lu(a, pivots);
  }
  dispatch_real("lu", a.dtype, [&]<class T>() {
    double log_abs = 0;
    T sign = 1;
    for (std::int64_t k = 0; k < n; ++k) {
      const T diagonal = a.as<T>()[k * n + k];
      log_abs += std::log(std::fabs(static_cast<double>(diagonal)));
      if (diagonal < 0) sign = -sign;
      if (diagonal == 0) sign = 0;
      if (swaps[k] != k) sign = -sign;
    }
    const bool known = all_of_diagonal<T>(a, functor::is_finite<T>);
    log_det.as<T>()[0] = known ? T(log_abs) : std::numeric_limits<T>::quiet_NaN();
    log_det.as<T>()[1] = known ? sign : std::numeric_limits<T>::quiet_NaN();
  });
}

void CpuBackend::lu_inverse(In lu, In pivots, Out inverse) {
  const std::int64_t n = lu.shape[0];
  const bool invertible = dispatch_real("lu_inverse", lu.dtype, [&]<class T>() {
    return all_of_diagonal<T>(lu, [](T diagonal) { return diagonal != 0 && functor::is_finite(diagonal); });
  });
  if (!invertible) return fill(inverse, std::numeric_limits<double>::quiet_NaN());
  if (!kHaveBlas || portable_) return portable_lu_inverse(lu, pivots, inverse);
  const ThreadScope scope(threads_);
  const auto matrix_bytes = static_cast<std::size_t>(n * n * size_of(lu.dtype));
  const Scratch scratch(*this, matrix_bytes + static_cast<std::size_t>(n) * sizeof(std::int32_t));
  const Out columns{scratch.data(), lu.shape, lu.dtype};
  auto* const from_one = reinterpret_cast<std::int32_t*>(scratch.data() + matrix_bytes);
  for (std::int64_t k = 0; k < n; ++k) from_one[k] = pivots.as<std::int32_t>()[k] + 1;
  transpose(lu, columns);
  lapack_lu_inverse(columns, from_one);
  transpose(columns, inverse);
}

void CpuBackend::cholesky(Out a, Out log_det) {
  const std::int64_t n = a.shape[0];
  const ThreadScope scope(threads_);
  const bool factored = kHaveBlas && !portable_ ? lapack_cholesky(a) : portable_cholesky(a);
  dispatch_real("cholesky", a.dtype, [&]<class T>() {
    double sum = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += std::log(static_cast<double>(a.as<T>()[k * n + k]));
    // LAPACK may find a NaN positive: the diagonal is asked as well.
    const bool positive =
        factored && all_of_diagonal<T>(a, [](T diagonal) { return diagonal > 0 && functor::is_finite(diagonal); });
    log_det.as<T>()[0] = positive ? T(2 * sum) : std::numeric_limits<T>::quiet_NaN();
    log_det.as<T>()[1] = positive ? T(1) : T(0);
  });
}

}  // namespace mec::cpu
