#include "mec/tensor/ops/operators.h"

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

namespace {

// A scalar in the dtype in which x's elements are computed.
Tensor number_beside(const Tensor& x, double number) { return Tensor::full({}, number, accumulator_of(x.dtype()), x.device()); }

}  // namespace

Tensor operator+(const Tensor& x, double number) {
  check_floating("add", x, "the input");
  return add(widened(x), number_beside(x, number)).to(x.dtype());
}

Tensor operator/(const Tensor& x, double number) {
  check_floating("div", x, "the input");
  return div(widened(x), number_beside(x, number)).to(x.dtype());
}

Tensor operator/(double number, const Tensor& x) {
  check_floating("div", x, "the input");
  return div(number_beside(x, number), widened(x)).to(x.dtype());
}

}  // namespace mec
