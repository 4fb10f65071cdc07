#include "mec/tensor/ops/matmul.h"

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

namespace {

Shape matmul_shape(const Tensor& a, const Tensor& b, const MatmulArgs& args) {
  check_rank("matmul", a, 2, "a", "a matrix");
  check_rank("matmul", b, 2, "b", "a matrix");
  check_floating("matmul", a, "a");
  check_device("matmul", {&a, &b});
  check_dtype("matmul", b, a.dtype(), "b, like a,");
  const auto m = a.dim(args.trans_a ? 1 : 0), k = a.dim(args.trans_a ? 0 : 1);
  const auto k_b = b.dim(args.trans_b ? 1 : 0), n = b.dim(args.trans_b ? 0 : 1);
  check<ShapeError>(k == k_b, "matmul: inner sizes differ: a ", a.shape(), args.trans_a ? " transposed" : "", " has ", k,
                    " columns, b ", b.shape(), args.trans_b ? " transposed" : "", " has ", k_b, " rows");
  return {m, n};
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulArgs& args) {
  check<ValueError>(!args.accumulate, "matmul: there is no result to add to yet; use matmul_into");
  Tensor c(matmul_shape(a, b, args), a.dtype(), a.device());
  a.backend().run(kernel::Matmul{a, b, c, args});
  return c;
}

void matmul_into(const Tensor& a, const Tensor& b, const Tensor& c, const MatmulArgs& args) {
  const Shape shape = matmul_shape(a, b, args);
  check_device("matmul", {&a, &c});
  check<ShapeError>(c.shape() == shape, "matmul: the product is ", shape, ", but the result given is ", c.shape());
  check<DtypeError>(c.dtype() == a.dtype() || (a.dtype() == Dtype::bf16 && c.dtype() == Dtype::f32), "matmul: operands ",
                    a.dtype(), " cannot be written to ", c.dtype());
  a.backend().run(kernel::Matmul{a, b, c, args});
}

Tensor transpose(const Tensor& x) {
  check_rank("transpose", x, 2, "the input", "a matrix");
  Tensor y({x.dim(1), x.dim(0)}, x.dtype(), x.device());
  x.backend().run(kernel::Transpose{x, y});
  return y;
}

}  // namespace mec
