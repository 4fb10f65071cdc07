// Element-wise operations, sums and changes of shape or dtype. Shapes and errors are those of
// mec/tensor/ops/elementwise.h.
#pragma once

#include "mec/autograd/variable.h"
#include "mec/tensor/functors.h"

namespace mec {

Variable unary(UnaryOp op, const Variable& x);
inline Variable relu(const Variable& x) { return unary(UnaryOp::relu, x); }
inline Variable neg(const Variable& x) { return unary(UnaryOp::neg, x); }
inline Variable exp(const Variable& x) { return unary(UnaryOp::exp, x); }
inline Variable log(const Variable& x) { return unary(UnaryOp::log, x); }
inline Variable sqrt(const Variable& x) { return unary(UnaryOp::sqrt, x); }
inline Variable square(const Variable& x) { return unary(UnaryOp::square, x); }
inline Variable abs(const Variable& x) { return unary(UnaryOp::abs, x); }
inline Variable tanh(const Variable& x) { return unary(UnaryOp::tanh, x); }
inline Variable sigmoid(const Variable& x) { return unary(UnaryOp::sigmoid, x); }

// Repeated along each other by NumPy's rule. operators.h writes them as + − · /, with numbers too.
Variable add(const Variable& a, const Variable& b);
Variable sub(const Variable& a, const Variable& b);
Variable mul(const Variable& a, const Variable& b);
Variable div(const Variable& a, const Variable& b);

Variable expand(const Variable& x, const Shape& shape);

Variable scale(const Variable& x, double alpha);
Variable sum(const Variable& x);  // shape (); f64 for f64, else f32
Variable mean(const Variable& x);

Variable reshape(const Variable& x, const Shape& shape);
Variable to(const Variable& x, Dtype dtype);

}  // namespace mec
