#include "mec/autograd/ops/elementwise.h"

#include "mec/tensor/ops/dimension.h"
#include "mec/tensor/ops/elementwise.h"

namespace mec {

Variable unary(UnaryOp op, const Variable& x) {
  return record("unary", unary(op, x.data()), {x},
                [op, X = x.data()](const Tensor& dy, const Needs&) -> Grads { return {unary_grad(op, X, dy)}; });
}

Variable add(const Variable& a, const Variable& b) {
  return record("add", add(a.data(), b.data()), {a, b},
                [left = a.shape(), right = b.shape()](const Tensor& dy, const Needs& need) -> Grads {
                  return {need[0] ? sum_to_size(dy, left) : Tensor{}, need[1] ? sum_to_size(dy, right) : Tensor{}};
                });
}

Variable sub(const Variable& a, const Variable& b) {
  return record("sub", sub(a.data(), b.data()), {a, b},
                [left = a.shape(), right = b.shape()](const Tensor& dy, const Needs& need) -> Grads {
                  return {need[0] ? sum_to_size(dy, left) : Tensor{}, need[1] ? scale(sum_to_size(dy, right), -1.0) : Tensor{}};
                });
}

Variable mul(const Variable& a, const Variable& b) {
  return record("mul", mul(a.data(), b.data()), {a, b},
                [A = a.data(), B = b.data()](const Tensor& dy, const Needs& need) -> Grads {
                  return {need[0] ? sum_to_size(mul(dy, B), A.shape()) : Tensor{},
                          need[1] ? sum_to_size(mul(dy, A), B.shape()) : Tensor{}};
                });
}

Variable div(const Variable& a, const Variable& b) {
  Tensor y = div(a.data(), b.data());
  return record("div", y, {a, b}, [Y = y, left = a.shape(), B = b.data()](const Tensor& dy, const Needs& need) -> Grads {
    const Tensor da = div(dy, B);  // dy / b, not yet summed
    return {need[0] ? sum_to_size(da, left) : Tensor{},
            need[1] ? scale(sum_to_size(mul(da, Y), B.shape()), -1.0) : Tensor{}};  // −dy a / b²
  });
}

Variable expand(const Variable& x, const Shape& shape) {
  return record("expand", expand(x.data(), shape), {x},
                [from = x.shape()](const Tensor& dy, const Needs&) -> Grads { return {sum_to_size(dy, from)}; });
}

Variable scale(const Variable& x, double alpha) {
  return record("scale", scale(x.data(), alpha), {x},
                [alpha](const Tensor& dy, const Needs&) -> Grads { return {scale(dy, alpha)}; });
}

Variable sum(const Variable& x) {
  return record("sum", sum(x.data()), {x},
                [shape = x.shape(), dtype = x.data().dtype()](const Tensor& dy, const Needs&) -> Grads {
                  return {expand(dy.to(dtype), shape)};
                });
}

Variable mean(const Variable& x) { return scale(sum(x), 1.0 / static_cast<double>(x.data().numel())); }

Variable reshape(const Variable& x, const Shape& shape) {
  return record("reshape", x.data().reshape(shape), {x},
                [from = x.shape()](const Tensor& dy, const Needs&) -> Grads { return {dy.reshape(from)}; });
}

Variable to(const Variable& x, Dtype dtype) {
  return record("to", x.data().to(dtype), {x},
                [from = x.data().dtype()](const Tensor& dy, const Needs&) -> Grads { return {dy.to(from)}; });
}

}  // namespace mec
