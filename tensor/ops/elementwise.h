// Element-wise operations, sums and means, and filling with random numbers.
#pragma once

#include "mec/tensor/kernels/elementwise.h"
#include "mec/tensor/kernels/random.h"
#include "mec/tensor/kernels/reduce.h"
#include "mec/tensor/tensor.h"

namespace mec {

// y = f(x); any floating dtype. DtypeError otherwise.
Tensor unary(UnaryOp op, const Tensor& x);
// dx = dy · f'(x).
Tensor unary_grad(UnaryOp op, const Tensor& x, const Tensor& dy);
inline Tensor relu(const Tensor& x) { return unary(UnaryOp::relu, x); }
inline Tensor neg(const Tensor& x) { return unary(UnaryOp::neg, x); }
inline Tensor exp(const Tensor& x) { return unary(UnaryOp::exp, x); }
inline Tensor log(const Tensor& x) { return unary(UnaryOp::log, x); }
inline Tensor sqrt(const Tensor& x) { return unary(UnaryOp::sqrt, x); }
inline Tensor square(const Tensor& x) { return unary(UnaryOp::square, x); }
inline Tensor abs(const Tensor& x) { return unary(UnaryOp::abs, x); }
inline Tensor tanh(const Tensor& x) { return unary(UnaryOp::tanh, x); }
inline Tensor sigmoid(const Tensor& x) { return unary(UnaryOp::sigmoid, x); }

// y = a ∘ b, repeated along each other by NumPy's rule: seen from the last dimension, sizes are
// equal, or one of them is 1 or absent. ShapeError otherwise. operators.h writes them as + − · /,
// with numbers too.
Tensor binary(BinaryOp op, const Tensor& a, const Tensor& b);
inline Tensor add(const Tensor& a, const Tensor& b) { return binary(BinaryOp::add, a, b); }
inline Tensor sub(const Tensor& a, const Tensor& b) { return binary(BinaryOp::sub, a, b); }
inline Tensor mul(const Tensor& a, const Tensor& b) { return binary(BinaryOp::mul, a, b); }
inline Tensor div(const Tensor& a, const Tensor& b) { return binary(BinaryOp::div, a, b); }

// x repeated to `shape` by the same rule, as a copy. ShapeError where it does not repeat to it.
Tensor expand(const Tensor& x, const Shape& shape);

// alpha·x, and alpha·x with a further factor that lies in device memory: one element, f64 for f64,
// else f32.
Tensor scale(const Tensor& x, double alpha);
Tensor scale(const Tensor& x, const Tensor& factor, double alpha = 1.0);
struct AxpbyOptions {
  double alpha = 1.0;
  double beta = 0.0;
  // Multiplies alpha where defined: one element, f64 where x or y is f64 and else f32.
  Tensor alpha_device = {};
};
// y ← alpha·x + beta·y, in place. Same shape; dtypes may differ.
void axpby(const Tensor& x, const Tensor& y, const AxpbyOptions& options);
inline void add_into(const Tensor& x, const Tensor& y) { axpby(x, y, {.alpha = 1.0, .beta = 1.0}); }

// y ← x where when (1), f32, is not 0; else y stays as it is. Same shape and dtype.
void copy_when(const Tensor& when, const Tensor& x, const Tensor& y);

// Sums of x seen as (R,C) with C the last dimension: one value (shape ()), (C) or (R). f64 for f64,
// else f32.
Tensor reduce(Reduce how, const Tensor& x);
inline Tensor sum(const Tensor& x) { return reduce(Reduce::all, x); }
// The sum over the number of elements that went into it; of none, NaN. dimension.h has sums and
// means along one dimension.
Tensor mean(const Tensor& x);

// (1) f32: 1 when every element is finite, else 0.
Tensor all_finite(const Tensor& x);

// Philox draws: element i of the result depends on args and i alone. f32 or f64.
Tensor random(const Shape& shape, Dtype dtype, const Device& device, const RandomArgs& args);
void fill_random(const Tensor& y, const RandomArgs& args);

}  // namespace mec
