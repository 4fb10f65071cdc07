#include "support/emulated_device.h"

#include <algorithm>
#include <cstddef>

#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"
#include "mec/tensor/devices.h"

namespace mec::test {
namespace {

template <class T> void check_identity(const T* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n * n; ++i) check<Error>(y[i] == T(i / n == i % n), "emulated: no identity");
}

class EmulatedBackend final : public cuda::MEC_SIMT::KernelBackend {
 public:
  explicit EmulatedBackend(std::int64_t grid_limit);

  std::string name() const override { return "emulated"; }
  CachingAllocator& allocator() override { return allocator_; }
  std::int64_t image_channels(std::int64_t) const override { return 8; }
  bool supports(Dtype dtype) const override { return is_floating(dtype); }

  void upload(const void* host, Out y) override {
    // Of no element: host may be null.
    std::copy_n(static_cast<const std::byte*>(host), bytes(y), y.as<std::byte>());
  }
  void download(In x, void* host) override { std::copy_n(x.as<std::byte>(), bytes(x), static_cast<std::byte*>(host)); }

  cuda::simt::Stream stream() const override { return nullptr; }

  Device libraries = make_reference_device();

 private:
  static std::int64_t bytes(const In& x) { return x.numel() * size_of(x.dtype); }

  CachingAllocator allocator_;
};

void run(EmulatedBackend& device, const kernel::Matmul& call) { device.tiled_product(call.a, call.b, call.c, call.args); }
void run(EmulatedBackend& device, const kernel::Conv2d& call) { device.libraries->run(call); }
void run(EmulatedBackend& device, const kernel::Conv2dBatchNorm& call) { run_in_turn(device, call); }
void run(EmulatedBackend& device, const kernel::Conv2dGradInput& call) { device.libraries->run(call); }
void run(EmulatedBackend& device, const kernel::Conv2dGradWeight& call) { device.libraries->run(call); }

// What is ours of the decompositions, in place of the reference's own.
void run(EmulatedBackend& device, const kernel::Lu& call) {
  device.libraries->run(call);
  device.lu_log_det(call.a, call.pivots, 0, call.log_det);
}
void run(EmulatedBackend& device, const kernel::LuInverse& call) {
  device.identity(call.inverse);
  dispatch_real(call.name, call.lu.dtype, [&]<class T>() {
    T* const inverse = call.inverse.as<T>();
    check_identity(inverse, call.inverse.shape[0]);  // what a library is given to solve for
    device.libraries->run(call);
    // A library knows no rule for matrices without an inverse.
    std::replace_if(
        inverse, inverse + call.inverse.numel(), [](T x) { return x != x; }, T(7));
  });
  device.refuse_singular(call.lu, call.inverse);
}
void run(EmulatedBackend& device, const kernel::Cholesky& call) {
  device.libraries->run(call);
  const int info = dispatch_real(call.name, call.a.dtype, [&]<class T>() { return call.log_det.as<T>()[1] == T(1) ? 0 : 3; });
  device.cholesky_log_det(call.a, &info, call.log_det);
}

EmulatedBackend::EmulatedBackend(std::int64_t grid_limit)
    : KernelBackend(grid_limit,
                    {KernelsOf<EmulatedBackend, MatmulKernels>::table, KernelsOf<EmulatedBackend, ConvolutionKernels>::table,
                     KernelsOf<EmulatedBackend, LinalgKernels>::table}) {}

}  // namespace

Device make_emulated_device(std::int64_t grid_limit) { return std::make_shared<EmulatedBackend>(grid_limit); }

}  // namespace mec::test
