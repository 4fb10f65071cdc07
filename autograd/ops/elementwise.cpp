#include "mec/autograd/ops/elementwise.h"

#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/matmul.h"

namespace mec {

namespace {

// Sums the gradient of a repeated operand over its repetitions: dy (…, shape) -> shape. An operand
// that was not repeated has dy's shape.
Tensor sum_to(const Tensor& dy, const Shape& shape) {
  if (dy.shape() == shape) return dy;
  if (shape.numel() == 0) return Tensor::zeros(shape, dy.dtype(), dy.device());
  const Shape flat{dy.numel() / shape.numel(), shape.numel()};
  return sum(dy.reshape(flat), 0).to(dy.dtype()).reshape(shape);
}

}  // namespace

Variable unary(UnaryOp op, const Variable& x) {
  return record("unary", unary(op, x.data()), {x},
                [op, X = x.data()](const Tensor& dy, const Needs&) -> Grads { return {unary_grad(op, X, dy)}; });
}

Variable add(const Variable& a, const Variable& b) {
  return record("add", add(a.data(), b.data()), {a, b},
                [left = a.shape(), right = b.shape()](const Tensor& dy, const Needs& need) -> Grads {
                  return {need[0] ? sum_to(dy, left) : Tensor{}, need[1] ? sum_to(dy, right) : Tensor{}};
                });
}

Variable sub(const Variable& a, const Variable& b) {
  return record("sub", sub(a.data(), b.data()), {a, b},
                [left = a.shape(), right = b.shape()](const Tensor& dy, const Needs& need) -> Grads {
                  return {need[0] ? sum_to(dy, left) : Tensor{}, need[1] ? scale(sum_to(dy, right), -1.0) : Tensor{}};
                });
}

Variable mul(const Variable& a, const Variable& b) {
  return record(
      "mul", mul(a.data(), b.data()), {a, b}, [A = a.data(), B = b.data()](const Tensor& dy, const Needs& need) -> Grads {
        return {need[0] ? sum_to(mul(dy, B), A.shape()) : Tensor{}, need[1] ? sum_to(mul(dy, A), B.shape()) : Tensor{}};
      });
}

Variable div(const Variable& a, const Variable& b) {
  Tensor y = div(a.data(), b.data());
  return record("div", y, {a, b}, [Y = y, left = a.shape(), B = b.data()](const Tensor& dy, const Needs& need) -> Grads {
    const Tensor da = div(dy, B);  // dy / b, not yet summed
    return {need[0] ? sum_to(da, left) : Tensor{},
            need[1] ? scale(sum_to(mul(da, Y), B.shape()), -1.0) : Tensor{}};  // −dy a / b²
  });
}

Variable scale(const Variable& x, double alpha) {
  return record("scale", scale(x.data(), alpha), {x},
                [alpha](const Tensor& dy, const Needs&) -> Grads { return {scale(dy, alpha)}; });
}

Variable sum(const Variable& x) {
  return record("sum", sum(x.data()), {x},
                [shape = x.shape(), dtype = x.data().dtype()](const Tensor& dy, const Needs&) -> Grads {
                  const Tensor ones = Tensor::full(shape, 1.0, dtype, dy.device());
                  return {scale(ones, dy)};
                });
}

Variable sum(const Variable& x, int dim) {
  const bool over_rows = x.shape().rank() == 2 && (dim == 0 || dim == -2);
  return record("sum", sum(x.data(), dim), {x},
                [shape = x.shape(), dtype = x.data().dtype(), over_rows](const Tensor& dy, const Needs&) -> Grads {
                  // Broadcasting repeats dy as the rows of a matrix. Where dy stands for a column,
                  // dx is therefore built transposed.
                  const Shape repeated = over_rows ? shape : Shape{shape[1], shape[0]};
                  const Tensor dx = mul(Tensor::full(repeated, 1.0, dtype, dy.device()), dy.to(dtype));
                  return {over_rows ? dx : transpose(dx)};
                });
}

Variable mean(const Variable& x) { return scale(sum(x), 1.0 / static_cast<double>(x.data().numel())); }

Variable mean(const Variable& x, int dim) {
  const Variable sums = sum(x, dim);
  return scale(sums, 1.0 / static_cast<double>(x.shape().dim(dim)));
}

Variable reshape(const Variable& x, const Shape& shape) {
  return record("reshape", x.data().reshape(shape), {x},
                [from = x.shape()](const Tensor& dy, const Needs&) -> Grads { return {dy.reshape(from)}; });
}

Variable to(const Variable& x, Dtype dtype) {
  return record("to", x.data().to(dtype), {x},
                [from = x.data().dtype()](const Tensor& dy, const Needs&) -> Grads { return {dy.to(from)}; });
}

}  // namespace mec
