// Reduction kernels.
#pragma once

#include <cstdint>

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

// (R,C) to one value, to (C), to (R).
enum class Reduce : std::uint8_t { all, over_rows, over_columns };

namespace kernel {

// Sums; result f64 for f64, else f32.
struct Reduce {
  static constexpr auto name = "reduce";
  mec::Reduce how;
  In x;
  Out y;
};

// flag (1) f32: 1 or 0
struct AllFinite {
  static constexpr auto name = "all_finite";
  In x;
  Out flag;
};

}  // namespace kernel

using ReduceKernels = Family<kernel::Reduce, kernel::AllFinite>;

}  // namespace mec
