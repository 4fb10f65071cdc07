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

void ReferenceBackend::copy(In x, Out y) {
  dispatch_any(x.dtype, [&]<class From>() {
    dispatch_any(y.dtype, [&]<class To>() {
      if constexpr (std::is_same_v<To, From>) std::copy_n(x.as<From>(), x.numel(), y.as<To>());
      else std::transform(x.as<From>(), x.as<From>() + x.numel(), y.as<To>(), converted<To, From>);
    });
  });
}

void ReferenceBackend::fill(Out y, double value) {
  dispatch_any(y.dtype, [&]<class T>() { std::fill_n(y.as<T>(), y.numel(), converted<T>(value)); });
}

void ReferenceBackend::fill_random(Out y, const RandomArgs& args) {
  dispatch_real("fill_random", y.dtype, [&]<class T>() {
    for (std::int64_t i = 0; i < y.numel(); ++i) y.as<T>()[i] = random_element<T>(args, static_cast<std::uint32_t>(i));
  });
}

void ReferenceBackend::transpose(In x, Out y) {
  const std::int64_t rows = x.shape[0], columns = x.shape[1];
  dispatch_any(x.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) y.as<T>()[c * rows + r] = x.as<T>()[r * columns + c];
    }
  });
}

void ReferenceBackend::gather_rows(In x, In index, Out y) {
  const std::int64_t count = index.numel();
  const std::int64_t row_bytes = count ? bytes_of(y) / count : 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = index.as<std::int64_t>()[i];
    std::byte* const to = y.as<std::byte>() + i * row_bytes;
    if (row >= 0 && row < x.shape[0]) std::copy_n(x.as<std::byte>() + row * row_bytes, row_bytes, to);
    else std::fill_n(to, row_bytes, std::byte{0xff});
  }
}

}  // namespace mec::reference
