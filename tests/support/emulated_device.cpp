#include "support/emulated_device.h"

#include <algorithm>
#include <cstddef>

#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"
#include "mec/tensor/devices.h"

namespace mec::test {
namespace {

class EmulatedBackend final : public cuda::MEC_SIMT::KernelBackend {
 public:
  using KernelBackend::KernelBackend;

  std::string name() const override { return "emulated"; }
  CachingAllocator& allocator() override { return allocator_; }
  std::int64_t image_channels(std::int64_t) const override { return 8; }
  bool supports(Dtype dtype) const override { return is_floating(dtype); }

  void upload(const void* host, Out y) override {
    // Of no element: host may be null.
    std::copy_n(static_cast<const std::byte*>(host), bytes(y), y.as<std::byte>());
  }
  void download(In x, void* host) override { std::copy_n(x.as<std::byte>(), bytes(x), static_cast<std::byte*>(host)); }

  void matmul(In a, In b, Out c, const MatmulArgs& args) override { tiled_product(a, b, c, args); }
  void conv2d(In x, In w, Out y, const Conv2dArgs& args) override { libraries_->conv2d(x, w, y, args); }
  void conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) override {
    libraries_->conv2d_grad_input(dy, w, dx, args);
  }
  void conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) override {
    libraries_->conv2d_grad_weight(dy, x, dw, args);
  }
  // What is ours of the decompositions, in place of the reference's own.
  void lu(Out a, Out pivots, Out log_det) override {
    libraries_->lu(a, pivots, log_det);
    lu_log_det(a, pivots, 0, log_det);
  }
  void lu_inverse(In lu, In pivots, Out inverse) override {
    identity(inverse);
    // What a library is given to solve for.
    dispatch_real("lu_inverse", lu.dtype, [&]<class T>() { check_identity(inverse.as<T>(), inverse.shape[0]); });
    libraries_->lu_inverse(lu, pivots, inverse);
    // A library knows no rule for matrices without an inverse.
    dispatch_real("lu_inverse", lu.dtype, [&]<class T>() {
      std::replace_if(
          inverse.as<T>(), inverse.as<T>() + inverse.numel(), [](T x) { return x != x; }, T(7));
    });
    refuse_singular(lu, inverse);
  }
  void cholesky(Out a, Out log_det) override {
    libraries_->cholesky(a, log_det);
    const int info = dispatch_real("cholesky", a.dtype, [&]<class T>() { return log_det.as<T>()[1] == T(1) ? 0 : 3; });
    cholesky_log_det(a, &info, log_det);
  }

 protected:
  cuda::simt::Stream stream() const override { return nullptr; }

 private:
  template <class T> static void check_identity(const T* y, std::int64_t n) {
    for (std::int64_t i = 0; i < n * n; ++i) check<Error>(y[i] == T(i / n == i % n), "emulated: no identity");
  }
  static std::int64_t bytes(const In& x) { return x.numel() * size_of(x.dtype); }

  CachingAllocator allocator_;
  Device libraries_ = make_reference_device();
};

}  // namespace

Device make_emulated_device(std::int64_t grid_limit) { return std::make_shared<EmulatedBackend>(grid_limit); }

}  // namespace mec::test
