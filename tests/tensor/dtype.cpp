#include "mec/tensor/dtype.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace mec;

namespace {

std::uint16_t rounded(float value) { return bf16(value).bits; }
float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace

TEST_CASE("bf16: all 65536 values come back from f32 unchanged, and NaN stays NaN") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    bf16 value;
    value.bits = static_cast<std::uint16_t>(bits);
    const float wide = value;
    const bool same = std::isnan(wide) ? std::isnan(float(bf16(wide))) : rounded(wide) == bits;
    wrong += same ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("bf16: conversion rounds to nearest, and to even half way") {
  CHECK(rounded(from_bits(0x3f808000)) == 0x3f80);  // half way, down to even
  CHECK(rounded(from_bits(0x3f818000)) == 0x3f82);  // half way, up to even
  CHECK(rounded(from_bits(0x3f808001)) == 0x3f81);  // just above half way
  CHECK(rounded(from_bits(0x3f817fff)) == 0x3f81);  // just below half way
  CHECK(rounded(from_bits(0xbf818000)) == 0xbf82);  // the sign changes nothing
}

TEST_CASE("bf16: infinities stay, overflow becomes infinite, and no NaN becomes infinite") {
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(float(bf16(inf)) == inf);
  CHECK(float(bf16(-inf)) == -inf);
  CHECK(float(bf16(std::numeric_limits<float>::max())) == inf);
  // Its mantissa lies in the lower half only.
  CHECK(std::isnan(float(bf16(from_bits(0x7f800001)))));
  CHECK(std::isnan(float(bf16(from_bits(0xffffffff)))));
}

TEST_CASE("dtype: dispatch names the operation and the dtype that it refuses") {
  const auto nothing = []<class T>() {};
  CHECK_THROWS_WITH_AS(dispatch_floating("relu", Dtype::i32, nothing), "relu: expects f32, bf16 or f64, but got i32",
                       DtypeError);
  CHECK_THROWS_WITH_AS(dispatch_real("lu", Dtype::bf16, nothing), "lu: expects f32 or f64, but got bf16", DtypeError);
  CHECK(accumulator_of(Dtype::bf16) == Dtype::f32);
  CHECK(accumulator_of(Dtype::f64) == Dtype::f64);
}
