#include <algorithm>
#include <cstddef>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {
namespace {

std::int64_t bytes_of(const In& x) { return x.numel() * size_of(x.dtype); }

}  // namespace

void ReferenceBackend::upload(const void* host, Out y) {
  std::copy_n(static_cast<const std::byte*>(host), bytes_of(y), y.as<std::byte>());
}

void ReferenceBackend::download(In x, void* host) {
  std::copy_n(x.as<std::byte>(), bytes_of(x), static_cast<std::byte*>(host));
}

void run(ReferenceBackend&, const kernel::Copy& call) {
  dispatch_any(call.x.dtype, [&]<class From>() {
    dispatch_any(call.y.dtype, [&]<class To>() {
      if constexpr (std::is_same_v<To, From>) std::copy_n(call.x.as<From>(), call.x.numel(), call.y.as<To>());
      else std::transform(call.x.as<From>(), call.x.as<From>() + call.x.numel(), call.y.as<To>(), converted<To, From>);
    });
  });
}

void run(ReferenceBackend&, const kernel::CopyWhen& call) {
  if (functor::is_off(call.when.as<float>())) return;
  std::copy_n(call.x.as<std::byte>(), bytes_of(call.x), call.y.as<std::byte>());
}

void run(ReferenceBackend&, const kernel::Fill& call) {
  dispatch_any(call.y.dtype, [&]<class T>() { std::fill_n(call.y.as<T>(), call.y.numel(), converted<T>(call.value)); });
}

void run(ReferenceBackend&, const kernel::FillRandom& call) {
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    for (std::int64_t i = 0; i < call.y.numel(); ++i)
      call.y.as<T>()[i] = random_element<T>(call.args, static_cast<std::uint32_t>(i));
  });
}

void run(ReferenceBackend&, const kernel::Transpose& call) {
  const std::int64_t rows = call.x.shape[0], columns = call.x.shape[1];
  dispatch_any(call.x.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) call.y.as<T>()[c * rows + r] = call.x.as<T>()[r * columns + c];
    }
  });
}

void run(ReferenceBackend&, const kernel::GatherRows& call) {
  const std::int64_t count = call.index.numel();
  const std::int64_t row_bytes = count ? bytes_of(call.y) / count : 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = call.index.as<std::int64_t>()[i];
    std::byte* const to = call.y.as<std::byte>() + i * row_bytes;
    if (row >= 0 && row < call.x.shape[0]) std::copy_n(call.x.as<std::byte>() + row * row_bytes, row_bytes, to);
    else std::fill_n(to, row_bytes, std::byte{0xff});
  }
}

constinit const MemoryKernels memory_kernels = KernelsOf<ReferenceBackend, MemoryKernels>::table;
constinit const RandomKernels random_kernels = KernelsOf<ReferenceBackend, RandomKernels>::table;

}  // namespace mec::reference
