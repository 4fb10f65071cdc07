// Products of matrices.
#pragma once

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

struct MatmulArgs {
  bool trans_a = false;
  bool trans_b = false;
  bool accumulate = false;  // add into the result instead of overwriting it
};

namespace kernel {

// (M,K)(K,N) -> (M,N). bf16 is accumulated in f32, and c may then be f32.
struct Matmul {
  static constexpr auto name = "matmul";
  In a, b;
  Out c;
  MatmulArgs args;

  double flops() const { return 2.0 * static_cast<double>(c.numel() * a.shape[args.trans_a ? 0 : 1]); }
};

}  // namespace kernel

using MatmulKernels = Family<kernel::Matmul>;

}  // namespace mec
