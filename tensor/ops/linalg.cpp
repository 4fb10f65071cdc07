#include "mec/tensor/ops/linalg.h"

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

namespace {

void check_square(const char* op, const Tensor& a) {
  check_rank(op, a, 2, "the input", "a square matrix");
  check_real(op, a, "the input");
  check<ShapeError>(a.dim(0) == a.dim(1) && a.dim(0) > 0, op, ": the input is a square matrix, but got ", a.shape());
}

}  // namespace

Lu lu(const Tensor& a) {
  check_square("lu", a);
  Lu out{a.clone(), Tensor({a.dim(0)}, Dtype::i32, a.device()), Tensor({2}, a.dtype(), a.device())};
  a.backend().run(kernel::Lu{out.lu, out.pivots, out.log_det});
  return out;
}

Tensor lu_inverse(const Lu& factors) {
  check_square("lu_inverse", factors.lu);
  const std::int64_t n = factors.lu.dim(0);
  check_dtype("lu_inverse", factors.pivots, Dtype::i32, "the pivots");
  check_device("lu_inverse", {&factors.lu, &factors.pivots});
  check<ShapeError>(factors.pivots.shape() == Shape{n}, "lu_inverse: the ", n, " rows have a pivot each, but there are ",
                    factors.pivots.shape());
  check_each<std::int32_t>("lu_inverse", factors.pivots, 0, n, "pivot", "rows are [0,", n, "); take what lu() returned");
  Tensor inverse(factors.lu.shape(), factors.lu.dtype(), factors.lu.device());
  factors.lu.backend().run(kernel::LuInverse{factors.lu, factors.pivots, inverse});
  return inverse;
}

Cholesky cholesky(const Tensor& a) {
  check_square("cholesky", a);
  Cholesky out{a.clone(), Tensor({2}, a.dtype(), a.device())};
  a.backend().run(kernel::Cholesky{out.lower, out.log_det});
  return out;
}

}  // namespace mec
