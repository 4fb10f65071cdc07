// The kernel that draws random numbers.
#pragma once

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"
#include "mec/tensor/philox.h"

namespace mec {
namespace kernel {

// f32, f64
struct FillRandom {
  static constexpr auto name = "fill_random";
  Out y;
  RandomArgs args;
};

}  // namespace kernel

using RandomKernels = Family<kernel::FillRandom>;

}  // namespace mec
