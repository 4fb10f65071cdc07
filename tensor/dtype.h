// Element types of tensors.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <ostream>
#include <type_traits>

#include "mec/tensor/error.h"
#include "mec/tensor/host_device.h"

namespace mec {

// Brain float: the upper half of an f32. Conversion from f32 rounds to nearest even, with the same
// bits on every device, and keeps NaN. The bits of a NaN differ: the host keeps sign and upper half
// and sets the quiet bit; a GPU's instruction gives 0x7fff.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  MEC_HOST_DEVICE explicit bf16(float value) {
#ifdef __CUDA_ARCH__
    // __float2bfloat16_rn, without its header.
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#else
    const auto u = std::bit_cast<std::uint32_t>(value);
    const bool is_nan = (u & 0x7fffffffU) > 0x7f800000U;
    bits = is_nan ? static_cast<std::uint16_t>((u >> 16) | 0x40U)
                  : static_cast<std::uint16_t>((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
#endif
  }
  MEC_HOST_DEVICE operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

enum class Dtype : std::uint8_t { f32, bf16, f64, u8, i32, i64 };

constexpr std::int64_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
    case Dtype::i64: return 8;
    case Dtype::f32:
    case Dtype::i32: return 4;
    case Dtype::bf16: return 2;
    case Dtype::u8: return 1;
  }
  return 0;
}

constexpr const char* name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32: return "f32";
    case Dtype::bf16: return "bf16";
    case Dtype::f64: return "f64";
    case Dtype::u8: return "u8";
    case Dtype::i32: return "i32";
    case Dtype::i64: return "i64";
  }
  return "?";
}

// Whether f32 holds the positive number `value`: without overflow, and not as 0 or a subnormal
// number.
constexpr bool fits_f32(double value) {
  return value >= std::numeric_limits<float>::min() && value <= std::numeric_limits<float>::max();
}

constexpr bool is_floating(Dtype dtype) { return dtype == Dtype::f32 || dtype == Dtype::bf16 || dtype == Dtype::f64; }

inline std::ostream& operator<<(std::ostream& out, Dtype dtype) { return out << name_of(dtype); }

template <class T> constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, float>) return Dtype::f32;
  else if constexpr (std::is_same_v<T, bf16>) return Dtype::bf16;
  else if constexpr (std::is_same_v<T, double>) return Dtype::f64;
  else if constexpr (std::is_same_v<T, std::uint8_t>) return Dtype::u8;
  else if constexpr (std::is_same_v<T, std::int32_t>) return Dtype::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>) return Dtype::i64;
  else static_assert(sizeof(T) == 0, "not an element type");
}

// value as a To, rounded to nearest where To has fewer digits. An integer type drops the fraction,
// and takes a number outside its range as its nearest bound, NaN as 0. bf16 is converted by way of
// f32.
template <class To, class From> MEC_HOST_DEVICE inline To converted(From value) {
  if constexpr (std::is_same_v<From, bf16>) {
    return converted<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bf16>) {
    return bf16(static_cast<float>(value));
  } else if constexpr (std::is_floating_point_v<To>) {
    return static_cast<To>(value);
  } else {
    // Each bound is exact in From, or rounds up to a power of two, which To cannot hold either.
    constexpr To kLow = std::numeric_limits<To>::lowest(), kHigh = std::numeric_limits<To>::max();
    using Wide = std::conditional_t<std::is_floating_point_v<From>, From, std::int64_t>;
    const Wide wide = static_cast<Wide>(value);
    if constexpr (std::is_floating_point_v<From>) {
      if (value != value) return To(0);
    }
    if (wide <= static_cast<Wide>(kLow)) return kLow;
    return wide >= static_cast<Wide>(kHigh) ? kHigh : static_cast<To>(wide);
  }
}

// Type in which sums over T are kept: double for double, else float.
template <class T> using Accumulator = std::conditional_t<std::is_same_v<T, double>, double, float>;

// The dtype of parameters, gradients of parameters and statistics that go with activations of
// `dtype`: f64 for f64, else f32.
constexpr Dtype accumulator_of(Dtype dtype) { return dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32; }

// Calls f.template operator()<T>() with the C++ type of a floating dtype; DtypeError names `op`
// otherwise.
template <class F> decltype(auto) dispatch_floating(const char* op, Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f32: return f.template operator()<float>();
    case Dtype::bf16: return f.template operator()<bf16>();
    case Dtype::f64: return f.template operator()<double>();
    default: throw DtypeError(concat(op, ": expects f32, bf16 or f64, but got ", dtype));
  }
}

// The same for f32 and f64 only: statistics, losses, decompositions.
template <class F> decltype(auto) dispatch_real(const char* op, Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f32: return f.template operator()<float>();
    case Dtype::f64: return f.template operator()<double>();
    default: throw DtypeError(concat(op, ": expects f32 or f64, but got ", dtype));
  }
}

// The same for every dtype.
template <class F> decltype(auto) dispatch_any(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f32: return f.template operator()<float>();
    case Dtype::bf16: return f.template operator()<bf16>();
    case Dtype::f64: return f.template operator()<double>();
    case Dtype::u8: return f.template operator()<std::uint8_t>();
    case Dtype::i32: return f.template operator()<std::int32_t>();
    default: return f.template operator()<std::int64_t>();
  }
}

}  // namespace mec
