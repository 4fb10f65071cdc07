// Rounding to bf16 as CUDA defines it, which devices have as an instruction, against the host's.
#include <cuda_bf16.h>
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "mec/tensor/dtype.h"

TEST_CASE("bf16: the host rounds every number to the bits that CUDA gives it, and NaN to another NaN") {
  int wrong = 0, nans = 0;
  for (std::uint32_t high = 0; high <= 0xffff; ++high) {
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      const auto value = std::bit_cast<float>(high << 16 | low);
      const std::uint16_t device = __bfloat16_as_ushort(__float2bfloat16_rn(value));
      const mec::bf16 host(value);
      if (std::isnan(value)) {
        ++nans;
        wrong += device != 0x7fff || !std::isnan(float(host));
      } else {
        wrong += device != host.bits;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(nans > 1000);
}
