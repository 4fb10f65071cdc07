#include "mec/autograd/ops/operators.h"

#include "mec/tensor/ops/operators.h"

namespace mec {

Variable operator+(const Variable& x, double number) {
  return record("add", x.data() + number, {x}, [](const Tensor& dy, const Needs&) -> Grads { return {dy}; });
}

Variable operator-(double number, const Variable& x) {
  return record("sub", number - x.data(), {x}, [](const Tensor& dy, const Needs&) -> Grads { return {-dy}; });
}

Variable operator/(const Variable& x, double number) {
  return record("div", x.data() / number, {x}, [number](const Tensor& dy, const Needs&) -> Grads { return {dy / number}; });
}

Variable operator/(double number, const Variable& x) {
  const Tensor y = number / x.data();
  return record("div", y, {x}, [X = x.data(), y](const Tensor& dy, const Needs&) -> Grads {
    return {-(dy * y / X)};  // −dy · number / x²
  });
}

}  // namespace mec
