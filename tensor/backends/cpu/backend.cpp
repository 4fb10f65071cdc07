#include "mec/tensor/backends/cpu/backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "mec/tensor/backends/cpu/blas.h"
#include "mec/tensor/backends/cpu/kernel_choice.h"
#include "mec/tensor/backends/cpu/onednn.h"
#include "mec/tensor/backends/cpu/parallel.h"
#include "mec/tensor/backends/cpu/threads.h"

namespace mec::cpu {

using common::kGrain;
using common::parallel_for;

namespace {

int threads_for(const CpuOptions& options) {
  const Threads threads = choose_threads(options.threads, !uses_own_products(options));
  if (options.note && !threads.complaint.empty()) options.note(threads.complaint);
  return threads.count;
}

}  // namespace

CpuBackend::~CpuBackend() = default;

std::string CpuBackend::name() const { return "cpu"; }
CachingAllocator& CpuBackend::allocator() { return allocator_; }
std::int64_t CpuBackend::image_channels(std::int64_t file_channels) const { return file_channels; }
bool CpuBackend::supports(Dtype dtype) const { return is_floating(dtype); }
bool CpuBackend::host_readable() const { return true; }

CpuBackend::Scratch::Scratch(CpuBackend& backend, std::size_t bytes) : backend_(backend) {
  // Needs no lock: only this thread stores its own id.
  check<Error>(backend_.holder_ != std::this_thread::get_id(), "cpu: a kernel asks for ", bytes,
               " bytes of scratch memory while it holds a block of ", backend_.scratch_bytes_,
               "; take one block of both sizes and divide it, and call no kernel that needs scratch memory meanwhile");
  backend_.mutex_.lock();
  if (bytes > backend_.scratch_bytes_) {
    if (backend_.scratch_) backend_.allocator_.deallocate(backend_.scratch_);
    backend_.scratch_ = nullptr;
    backend_.scratch_bytes_ = 0;
    try {
      backend_.scratch_ = static_cast<std::byte*>(backend_.allocator_.allocate(bytes, BlockUse::workspace));
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

void run(CpuBackend& device, const kernel::FillRandom& call) {
  const RandomArgs args = call.args;
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    T* const out = call.y.as<T>();
    parallel_for(device.team(), call.y.numel(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] = random_element<T>(args, static_cast<std::uint32_t>(i));
    });
  });
}

void run(CpuBackend& device, const kernel::Matmul& call) {
  // Libraries disagree on what a sum over nothing is.
  const bool empty = call.c.numel() == 0 || call.a.numel() == 0;
  if (device.own_products_ || empty) return device.portable_matmul_(device, call);
  const ThreadScope scope(device.threads_);
  // oneDNN compiles for the processor it finds. OpenBLAS 0.3.21 takes a Sapphire Rapids for a
  // Prescott: 37 instead of 150 GF/s.
  if (OneDnnPlan* plan = device.onednn_->matmul(call.a, call.c, call.args)) {
    const CpuBackend::Scratch scratch(device, plan->workspace_bytes());
    return plan->run(call.a.data, call.b.data, call.c.data, scratch.data());
  }
  if (kHaveBlas && call.a.dtype != Dtype::bf16) return blas_matmul(call.a, call.b, call.c, call.args);
  device.portable_matmul_(device, call);
}

std::string CpuBackend::convolution_kernel(ConvDirection direction, In a, In b, In result, const Conv2dArgs& args) {
  const ThreadScope scope(threads_);
  const OneDnnPlan* plan = own_products_ ? nullptr : onednn_->convolution(direction, a, b, result, args);
  return plan ? plan->kernel() : "";
}

namespace {

void check_portable(const char* op, const Shape& weight) {
  check<ValueError>(weight[1] * weight[2] <= kMaxPortableTaps, op, ": the portable kernels take up to ", kMaxPortableTaps,
                    " taps, but the weight is ", weight);
}

}  // namespace

void run(CpuBackend& device, const kernel::Conv2d& call) {
  if (device.library_convolution(ConvDirection::forward, call.x, call.w, call.y, call.args)) return;
  check_portable(call.name, call.w.shape);
  device.portable_convolution_(device, call);
}

void run(CpuBackend& device, const kernel::Conv2dBatchNorm& call) {
  const bool has_own = call.w.shape[1] * call.w.shape[2] <= kMaxPortableTaps;
  if (!device.own_products_ || !has_own) return run_in_turn(device, call);
  device.portable_convolution_(device, call);
}

void run(CpuBackend& device, const kernel::Conv2dGradInput& call) {
  if (device.library_convolution(ConvDirection::grad_input, call.dy, call.w, call.dx, call.args)) return;
  check_portable(call.name, call.w.shape);
  device.portable_convolution_(device, call);
}

void run(CpuBackend& device, const kernel::Conv2dGradWeight& call) {
  if (device.library_convolution(ConvDirection::grad_weight, call.dy, call.x, call.dw, call.args)) return;
  device.portable_convolution_(device, call);
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

// LAPACK promises nothing for matrices that are not finite: a pivot found among NaNs may be any
// number.
void run(CpuBackend& device, const kernel::Lu& call) {
  const std::int64_t n = call.a.shape[0];
  auto* const swaps = call.pivots.as<std::int32_t>();
  const bool finite = dispatch_real(call.name, call.a.dtype, [&]<class T>() {
    return std::all_of(call.a.as<T>(), call.a.as<T>() + n * n, functor::is_finite<T>);
  });
  if (!finite) {
    device.run(kernel::Fill{call.a, std::numeric_limits<double>::quiet_NaN()});
    std::iota(swaps, swaps + n, 0);
  } else if (kHaveBlas && !device.own_decompositions_) {
    const ThreadScope scope(device.library_threads());
    const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(n * n * size_of(call.a.dtype)));
    const Out columns{scratch.data(), call.a.shape, call.a.dtype};
    device.run(kernel::Transpose{call.a, columns});
    lapack_lu(columns, swaps);
    device.run(kernel::Transpose{columns, call.a});
    for (std::int64_t k = 0; k < n; ++k) --swaps[k];  // LAPACK counts from 1
  } else {
    device.portable_lu(call.a, call.pivots);
  }
  dispatch_real(call.name, call.a.dtype, [&]<class T>() {
    double log_abs = 0;
    T sign = 1;
    for (std::int64_t k = 0; k < n; ++k) {
      const T diagonal = call.a.as<T>()[k * n + k];
      log_abs += std::log(std::fabs(static_cast<double>(diagonal)));
      if (diagonal < 0) sign = -sign;
      if (diagonal == 0) sign = 0;
      if (swaps[k] != k) sign = -sign;
    }
    const bool known = all_of_diagonal<T>(call.a, functor::is_finite<T>);
    call.log_det.as<T>()[0] = known ? T(log_abs) : std::numeric_limits<T>::quiet_NaN();
    call.log_det.as<T>()[1] = known ? sign : std::numeric_limits<T>::quiet_NaN();
  });
}

void run(CpuBackend& device, const kernel::LuInverse& call) {
  const std::int64_t n = call.lu.shape[0];
  const bool invertible = dispatch_real(call.name, call.lu.dtype, [&]<class T>() {
    return all_of_diagonal<T>(call.lu, [](T diagonal) { return diagonal != 0 && functor::is_finite(diagonal); });
  });
  if (!invertible) return device.run(kernel::Fill{call.inverse, std::numeric_limits<double>::quiet_NaN()});
  if (!kHaveBlas || device.own_decompositions_) return device.portable_lu_inverse(call.lu, call.pivots, call.inverse);
  const ThreadScope scope(device.library_threads());
  const auto matrix_bytes = static_cast<std::size_t>(n * n * size_of(call.lu.dtype));
  const CpuBackend::Scratch scratch(device, matrix_bytes + static_cast<std::size_t>(n) * sizeof(std::int32_t));
  const Out columns{scratch.data(), call.lu.shape, call.lu.dtype};
  auto* const from_one = reinterpret_cast<std::int32_t*>(scratch.data() + matrix_bytes);
  for (std::int64_t k = 0; k < n; ++k) from_one[k] = call.pivots.as<std::int32_t>()[k] + 1;
  device.run(kernel::Transpose{call.lu, columns});
  lapack_lu_inverse(columns, from_one);
  device.run(kernel::Transpose{columns, call.inverse});
}

void run(CpuBackend& device, const kernel::Cholesky& call) {
  const std::int64_t n = call.a.shape[0];
  const ThreadScope scope(device.library_threads());
  const bool factored = kHaveBlas && !device.own_decompositions_ ? lapack_cholesky(call.a) : device.portable_cholesky(call.a);
  dispatch_real(call.name, call.a.dtype, [&]<class T>() {
    double sum = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += std::log(static_cast<double>(call.a.as<T>()[k * n + k]));
    // LAPACK may take a NaN for positive, so the diagonal is checked as well.
    const bool positive =
        factored && all_of_diagonal<T>(call.a, [](T diagonal) { return diagonal > 0 && functor::is_finite(diagonal); });
    call.log_det.as<T>()[0] = positive ? T(2 * sum) : std::numeric_limits<T>::quiet_NaN();
    call.log_det.as<T>()[1] = positive ? T(1) : T(0);
  });
}

namespace {

constinit const RandomKernels random_kernels = KernelsOf<CpuBackend, RandomKernels>::table;
constinit const MatmulKernels matmul_kernels = KernelsOf<CpuBackend, MatmulKernels>::table;
constinit const ConvolutionKernels convolution_kernels = KernelsOf<CpuBackend, ConvolutionKernels>::table;
constinit const LinalgKernels linalg_kernels = KernelsOf<CpuBackend, LinalgKernels>::table;

}  // namespace

CpuBackend::CpuBackend(const CpuOptions& options, const Loops& loops)
    : Backend({loops.memory, random_kernels, loops.elementwise, loops.reduce, matmul_kernels, convolution_kernels,
               loops.batch_norm, loops.pooling, loops.rows, linalg_kernels, loops.coding, loops.tsne, loops.optimizer}),
      portable_matmul_(loops.portable_matmul),
      portable_convolution_(loops.portable_convolution),
      own_products_(uses_own_products(options)),
      own_decompositions_(options.kernels == CpuKernels::own),
      widens_bf16_(widens_bf16(options)),
      threads_(threads_for(options)),
      pool_(own_products_ ? std::make_unique<ThreadPool>(threads_) : nullptr),
      onednn_(std::make_unique<OneDnn>()) {}

}  // namespace mec::cpu
