#include "mec/nn/layout.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "mec/tensor/host_bytes.h"

namespace mec {

namespace {

// Sees t as (n,a,b), exchanges the inner two dimensions, and returns the result with `shape`.
Tensor exchange_inner(const Tensor& t, std::int64_t a, std::int64_t b, const Shape& shape) {
  const std::int64_t bytes = size_of(t.dtype()), n = a > 0 && b > 0 ? t.numel() / (a * b) : 0;
  const HostBytes from(t);
  std::vector<std::byte> to(t.bytes());
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < a; ++j) {
      for (std::int64_t k = 0; k < b; ++k) {
        std::copy_n(from.data() + ((i * a + j) * b + k) * bytes, bytes, to.data() + ((i * b + k) * a + j) * bytes);
      }
    }
  }
  return Tensor::from_bytes(to.data(), shape, t.dtype(), t.device());
}

}  // namespace

Shape with_channels(const Shape& shape, std::int64_t channels) {
  check<ShapeError>(shape.rank() >= 1, "with_channels: a scalar has no channels");
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::ranges::copy(shape.dims(), dims.begin());
  const auto rank = static_cast<std::size_t>(shape.rank());
  dims[rank - 1] = channels;
  return Shape(std::span<const std::int64_t>(dims.data(), rank));
}

Tensor with_channels(const Tensor& t, std::int64_t channels) {
  const Shape shape = with_channels(t.shape(), channels);
  const std::int64_t old_channels = t.dim(-1), bytes = size_of(t.dtype());
  const std::int64_t rows = old_channels ? t.numel() / old_channels : 0;
  const HostBytes from(t);
  std::vector<std::byte> to(static_cast<std::size_t>(shape.numel() * bytes));
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(from.data() + row * old_channels * bytes, std::min(old_channels, channels) * bytes,
                to.data() + row * channels * bytes);
  }
  return Tensor::from_bytes(to.data(), shape, t.dtype(), t.device());
}

Tensor ohwi_to_oihw(const Tensor& w) {
  check<ShapeError>(w.rank() == 4, "ohwi_to_oihw: a weight is (O,H,W,I), but got ", w.shape());
  return exchange_inner(w, w.dim(1) * w.dim(2), w.dim(3), {w.dim(0), w.dim(3), w.dim(1), w.dim(2)});
}

Tensor oihw_to_ohwi(const Tensor& w) {
  check<ShapeError>(w.rank() == 4, "oihw_to_ohwi: a weight is (O,I,H,W), but got ", w.shape());
  return exchange_inner(w, w.dim(1), w.dim(2) * w.dim(3), {w.dim(0), w.dim(2), w.dim(3), w.dim(1)});
}

Tensor to_file_form(const Tensor& t, std::int64_t file_channels) {
  const Tensor cut = file_channels ? with_channels(t, file_channels) : t;
  return cut.rank() == 4 ? ohwi_to_oihw(cut) : cut;
}

Shape file_shape(const Shape& s, std::int64_t file_channels) {
  if (s.rank() != 4) return s;
  return {s[0], file_channels ? file_channels : s[3], s[1], s[2]};
}

Tensor to_memory_form(const Tensor& in_file, const Shape& in_memory, std::int64_t file_channels) {
  const Tensor t = in_file.rank() == 4 ? oihw_to_ohwi(in_file) : in_file;
  return file_channels ? with_channels(t, in_memory.dim(-1)) : t;
}

}  // namespace mec
