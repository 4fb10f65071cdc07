// Kernels that fill and move memory.
#pragma once

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {
namespace kernel {

// Converts between any two dtypes, as converted() does.
struct Copy {
  static constexpr auto name = "copy";
  In x;
  Out y;
};

// y = x where when (1), f32, is not 0; else y stays as it is. Both of one dtype.
struct CopyWhen {
  static constexpr auto name = "copy_when";
  In x, when;
  Out y;
};

// Any dtype; the value is converted in the same way.
struct Fill {
  static constexpr auto name = "fill";
  Out y;
  double value;
};

// (R,C) -> (C,R)
struct Transpose {
  static constexpr auto name = "transpose";
  In x;
  Out y;
};

// (R,…), i64 (M) -> (M,…). Where an index is not one of [0,R), all bits of the row are set: NaN, or
// -1.
struct GatherRows {
  static constexpr auto name = "gather_rows";
  In x, index;
  Out y;
};

}  // namespace kernel

using MemoryKernels = Family<kernel::Copy, kernel::CopyWhen, kernel::Fill, kernel::Transpose, kernel::GatherRows>;

}  // namespace mec
