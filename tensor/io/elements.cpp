#include "mec/tensor/io/elements.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace mec {
namespace {

// IEEE half precision: a sign, five bits of exponent and ten of mantissa. Every value is an f32.
float from_half(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16, exponent = bits >> 10 & 0x1fU,
                      mantissa = bits & 0x3ffU;
  if (exponent == 0)
    return std::copysign(std::ldexp(static_cast<float>(mantissa), -24), sign ? -1.0F : 1.0F);
  const std::uint32_t wide = exponent == 0x1fU ? 0xffU : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

// Replaces each element of type From in `bytes` by the result of `convert`.
template <class From, class Convert>
void widen(std::vector<std::uint8_t>& bytes, const Convert& convert) {
  using To = decltype(convert(From{}));
  const std::size_t count = bytes.size() / sizeof(From);
  bytes.resize(count * sizeof(To));
  for (std::size_t i = count; i-- > 0;) {  // from the back: what is written has been read
    From from;
    std::memcpy(&from, bytes.data() + i * sizeof(From), sizeof from);
    const To to = convert(from);
    std::memcpy(bytes.data() + i * sizeof(To), &to, sizeof to);
  }
}

template <class From, class To> void widen(std::vector<std::uint8_t>& bytes) {
  widen<From>(bytes, [](From value) { return static_cast<To>(value); });
}

void reverse_each(std::vector<std::uint8_t>& bytes, std::size_t size) {
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
}

// From the file's element type to the tensor's, both in this machine's byte order.
void convert(std::vector<std::uint8_t>& bytes, Element element, const std::string& where) {
  switch (element) {
    case Element::boolean:
      return widen<std::uint8_t>(bytes, [](std::uint8_t b) { return std::int32_t{b != 0}; });
    case Element::i8: return widen<std::int8_t, std::int32_t>(bytes);
    case Element::i16: return widen<std::int16_t, std::int32_t>(bytes);
    case Element::u16: return widen<std::uint16_t, std::int32_t>(bytes);
    case Element::u32: return widen<std::uint32_t, std::int64_t>(bytes);
    case Element::f16: return widen<std::uint16_t>(bytes, from_half);
    case Element::u64:
      return widen<std::uint64_t>(bytes, [&](std::uint64_t value) {
        check<IoError>(value <= std::numeric_limits<std::int64_t>::max(), where, " holds ", value,
                       ", but whole numbers are read up to ",
                       std::numeric_limits<std::int64_t>::max());
        return static_cast<std::int64_t>(value);
      });
    default: return;
  }
}

}  // namespace

std::int64_t size_of(Element element) {
  switch (element) {
    case Element::boolean:
    case Element::i8:
    case Element::u8: return 1;
    case Element::i16:
    case Element::u16:
    case Element::f16:
    case Element::bf16: return 2;
    case Element::i32:
    case Element::u32:
    case Element::f32: return 4;
    default: return 8;
  }
}

Dtype dtype_of(Element element) {
  switch (element) {
    case Element::boolean:
    case Element::i8:
    case Element::i16:
    case Element::u16:
    case Element::i32: return Dtype::i32;
    case Element::u8: return Dtype::u8;
    case Element::u32:
    case Element::i64:
    case Element::u64: return Dtype::i64;
    case Element::bf16: return Dtype::bf16;
    case Element::f64: return Dtype::f64;
    default: return Dtype::f32;
  }
}

Shape to_shape(const std::vector<std::int64_t>& sizes, const std::string& where) {
  check<IoError>(sizes.size() <= Shape::kMaxRank, where, " has ", sizes.size(),
                 " dimensions; at most ", Shape::kMaxRank, " are supported");
  try {
    return Shape(std::span<const std::int64_t>(sizes));
  } catch (const ShapeError& error) {
    throw IoError(concat(where, " has a shape too large for any file: ", error.what()));
  }
}

Tensor read_elements(InputFile& file, Element element, ByteOrder order, const Shape& shape,
                     const std::string& what, const Device& device) {
  const std::int64_t count = shape.numel(),
                     widest = std::max(size_of(element), size_of(dtype_of(element)));
  std::vector<std::uint8_t> bytes =
      file.read(static_cast<std::uint64_t>(count * size_of(element)), what.c_str(),
                static_cast<std::uint64_t>(count * widest));
  if (order == ByteOrder::big) reverse_each(bytes, static_cast<std::size_t>(size_of(element)));
  convert(bytes, element, concat(file.name(), ": ", what));
  try {
    return Tensor::from_bytes(bytes.data(), shape, dtype_of(element), device);
  } catch (const MemoryError& error) {
    throw MemoryError(concat(file.name(), ": ", what, ": ", error.what()));
  }
}

}  // namespace mec
