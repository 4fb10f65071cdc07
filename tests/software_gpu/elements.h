// Elements of device memory as the libraries' descriptors name them, read and written one by one.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "mec/tensor/dtype.h"

namespace mec::software_gpu {

// An f32 number as tensor cores take it in: 10 bits of mantissa, rounded to nearest.
inline float tf32(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000U) != 0x7f800000U) bits = (bits + 0xfffU + (bits >> 13 & 1U)) & ~0x1fffU;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

inline double element(const void* memory, Dtype dtype, std::int64_t index) {
  switch (dtype) {
    case Dtype::f64: return static_cast<const double*>(memory)[index];
    case Dtype::bf16: return static_cast<double>(static_cast<float>(static_cast<const bf16*>(memory)[index]));
    default: return static_cast<double>(static_cast<const float*>(memory)[index]);
  }
}
inline void set_element(void* memory, Dtype dtype, std::int64_t index, double value) {
  switch (dtype) {
    case Dtype::f64: static_cast<double*>(memory)[index] = value; break;
    case Dtype::bf16: static_cast<bf16*>(memory)[index] = bf16(static_cast<float>(value)); break;
    default: static_cast<float*>(memory)[index] = static_cast<float>(value);
  }
}

}  // namespace mec::software_gpu
