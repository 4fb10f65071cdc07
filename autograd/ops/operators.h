// Arithmetic as it is written: a + b, 2 * x, 1 - x, x / 3, -x. Shapes, numbers and errors are those
// of mec/tensor/ops/operators.h; a parameter of a module is a variable here too.
#pragma once

#include "mec/autograd/ops/elementwise.h"

namespace mec {

inline Variable operator+(const Variable& a, const Variable& b) { return add(a, b); }
inline Variable operator-(const Variable& a, const Variable& b) { return sub(a, b); }
inline Variable operator*(const Variable& a, const Variable& b) { return mul(a, b); }
inline Variable operator/(const Variable& a, const Variable& b) { return div(a, b); }
inline Variable operator-(const Variable& x) { return neg(x); }

// A tensor is a constant.
inline Variable operator+(const Variable& a, const Tensor& b) { return add(a, Variable(b)); }
inline Variable operator-(const Variable& a, const Tensor& b) { return sub(a, Variable(b)); }
inline Variable operator*(const Variable& a, const Tensor& b) { return mul(a, Variable(b)); }
inline Variable operator/(const Variable& a, const Tensor& b) { return div(a, Variable(b)); }
inline Variable operator+(const Tensor& a, const Variable& b) { return add(Variable(a), b); }
inline Variable operator-(const Tensor& a, const Variable& b) { return sub(Variable(a), b); }
inline Variable operator*(const Tensor& a, const Variable& b) { return mul(Variable(a), b); }
inline Variable operator/(const Tensor& a, const Variable& b) { return div(Variable(a), b); }

Variable operator+(const Variable& x, double number);
Variable operator-(double number, const Variable& x);
Variable operator/(const Variable& x, double number);
Variable operator/(double number, const Variable& x);
inline Variable operator+(double number, const Variable& x) { return x + number; }
inline Variable operator-(const Variable& x, double number) { return x + -number; }
inline Variable operator*(const Variable& x, double number) { return scale(x, number); }
inline Variable operator*(double number, const Variable& x) { return scale(x, number); }

}  // namespace mec
