// Element-wise kernels.
#pragma once

#include "mec/tensor/functors.h"
#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

// How two operands repeat over a result. Its sizes stand fastest first, those merged along which
// both operands go on or repeat together; an operand's step in a dimension is 0 where it repeats.
// Made by broadcast() of mec/tensor/ops/broadcast.h; the rank is at least 1.
struct BroadcastArgs {
  int rank = 1;
  std::int64_t sizes[Shape::kMaxRank] = {1};
  std::int64_t a_steps[Shape::kMaxRank] = {1};
  std::int64_t b_steps[Shape::kMaxRank] = {1};
};

// Scalars known when a step is recorded.
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

// y = a ∘ b, both repeated to y's shape.
struct Binary {
  static constexpr auto name = "binary";
  BinaryOp op;
  In a, b;
  Out y;
  BroadcastArgs args;
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
