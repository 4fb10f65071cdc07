// Arithmetic as it is written: a + b, 2 * x, 1 - x, x / 3, -x.
//
// Between tensors they are add, sub, mul and div of elementwise.h. Beside a number, f64 is computed
// in f64 and all else in f32, and the result has x's dtype. There are no in-place operators: a
// tensor shares its memory with every copy of its handle.
#pragma once

#include "mec/tensor/ops/elementwise.h"

namespace mec {

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }

Tensor operator+(const Tensor& x, double number);
Tensor operator/(const Tensor& x, double number);
Tensor operator/(double number, const Tensor& x);
inline Tensor operator+(double number, const Tensor& x) { return x + number; }
inline Tensor operator-(const Tensor& x, double number) { return x + -number; }
inline Tensor operator-(double number, const Tensor& x) { return -x + number; }
inline Tensor operator*(const Tensor& x, double number) { return scale(x, number); }
inline Tensor operator*(double number, const Tensor& x) { return scale(x, number); }

}  // namespace mec
