// Element-wise kernels.
#pragma once

#include "mec/tensor/functors.h"
#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

// Scalars whose values are fixed when a step is recorded.
struct AxpbyArgs {
  double alpha = 1.0;
  double beta = 0.0;
};

namespace kernel {

struct Unary {
  static constexpr auto name = "unary";
  UnaryOp op;
  In x;
  Out y;
};

struct UnaryGrad {
  static constexpr auto name = "unary_grad";
  UnaryOp op;
  In x, dy;
  Out dx;
};

// b's shape may be the trailing dimensions of a's: b is then repeated.
struct Binary {
  static constexpr auto name = "binary";
  BinaryOp op;
  In a, b;
  Out y;
};

// y = alpha·x + beta·y; beta 0 never reads y. factor (1), where given, multiplies alpha.
struct Axpby {
  static constexpr auto name = "axpby";
  In x;
  Out y;
  AxpbyArgs args;
  In factor = {};
};

}  // namespace kernel

using ElementwiseKernels = Family<kernel::Unary, kernel::UnaryGrad, kernel::Binary, kernel::Axpby>;

}  // namespace mec
