#include "mec/tensor/ops/elementwise.h"

#include <functional>
#include <numeric>

#include "mec/tensor/ops/broadcast.h"
#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

namespace {

// The factor must have one element: f64 where x or y is f64, else f32.
void check_factor(const char* op, const Tensor& factor, const Tensor& x, const Tensor& y) {
  const bool wide = x.dtype() == Dtype::f64 || y.dtype() == Dtype::f64;
  check_dtype(op, factor, wide ? Dtype::f64 : Dtype::f32, "the factor in device memory");
  check_device(op, {&x, &factor});
  check<ShapeError>(factor.numel() == 1, op, ": the factor in device memory has one element, but got ", factor.shape());
}

const char* name_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::add: return "add";
    case BinaryOp::sub: return "sub";
    case BinaryOp::mul: return "mul";
    default: return "div";
  }
}

}  // namespace

Tensor unary(UnaryOp op, const Tensor& x) {
  check_floating("unary", x, "the input");
  Tensor y(x.shape(), x.dtype(), x.device());
  x.backend().run(kernel::Unary{op, x, y});
  return y;
}

Tensor unary_grad(UnaryOp op, const Tensor& x, const Tensor& dy) {
  check_floating("unary_grad", x, "the input");
  check_same_shape("unary_grad", x, dy);
  check_device("unary_grad", {&x, &dy});
  check_dtype("unary_grad", dy, x.dtype(), "the gradient");
  Tensor dx(x.shape(), x.dtype(), x.device());
  x.backend().run(kernel::UnaryGrad{op, x, dy, dx});
  return dx;
}

Tensor binary(BinaryOp op, const Tensor& a, const Tensor& b) {
  const char* const name = name_of(op);
  check_floating(name, a, "the first operand");
  check_defined(name, b, "the second operand");
  check_device(name, {&a, &b});
  check_dtype(name, b, a.dtype(), "the second operand");
  const Shape shape = broadcast_shape(name, a.shape(), b.shape());
  Tensor y(shape, a.dtype(), a.device());
  a.backend().run(kernel::Binary{op, a, b, y, broadcast(shape, a.shape(), b.shape())});
  return y;
}

Tensor expand(const Tensor& x, const Shape& shape) {
  check_floating("expand", x, "the input");
  check<ShapeError>(broadcast_shape("expand", x.shape(), shape) == shape, "expand: the input ", x.shape(),
                    " does not repeat to ", shape);
  const Tensor one = Tensor::full({}, 1.0, x.dtype(), x.device());
  Tensor y(shape, x.dtype(), x.device());
  x.backend().run(kernel::Binary{BinaryOp::mul, x, one, y, broadcast(shape, x.shape(), one.shape())});
  return y;
}

Tensor scale(const Tensor& x, double alpha) {
  check_floating("scale", x, "the input");
  Tensor y(x.shape(), x.dtype(), x.device());
  x.backend().run(kernel::Axpby{x, y, {.alpha = alpha}});
  return y;
}

Tensor scale(const Tensor& x, const Tensor& factor, double alpha) {
  check_floating("scale", x, "the input");
  check_factor("scale", factor, x, x);
  Tensor y(x.shape(), x.dtype(), x.device());
  x.backend().run(kernel::Axpby{x, y, {.alpha = alpha}, factor});
  return y;
}

void axpby(const Tensor& x, const Tensor& y, const AxpbyOptions& options) {
  check_floating("axpby", x, "the input");
  check_floating("axpby", y, "the result");
  check_device("axpby", {&x, &y});
  check_same_shape("axpby", x, y);
  if (options.alpha_device) check_factor("axpby", options.alpha_device, x, y);
  x.backend().run(kernel::Axpby{x, y, {.alpha = options.alpha, .beta = options.beta}, options.alpha_device});
}

void copy_when(const Tensor& when, const Tensor& x, const Tensor& y) {
  check_same_shape("copy_when", x, y);
  check_dtype("copy_when", y, x.dtype(), "the result");
  check_flag("copy_when", when);
  check_device("copy_when", {&when, &x, &y});
  x.backend().run(kernel::CopyWhen{x, when, y});
}

Tensor reduce(Reduce how, const Tensor& x) {
  check_floating("reduce", x, "the input");
  check<ShapeError>(how == Reduce::all || x.rank() >= 1, "reduce: a scalar has no rows or columns");
  Shape shape;
  if (how == Reduce::over_rows) shape = Shape{x.dim(-1)};
  if (how == Reduce::over_columns) {
    const auto rows = x.shape().dims().first(static_cast<std::size_t>(x.rank() - 1));
    shape = Shape{std::accumulate(rows.begin(), rows.end(), std::int64_t{1}, std::multiplies<>())};
  }
  Tensor y(shape, accumulator_of(x.dtype()), x.device());
  x.backend().run(kernel::Reduce{how, x, y});
  return y;
}

Tensor mean(const Tensor& x) { return scale(sum(x), 1.0 / static_cast<double>(x.numel())); }

Tensor all_finite(const Tensor& x) {
  check_floating("all_finite", x, "the input");
  Tensor flag({1}, Dtype::f32, x.device());
  x.backend().run(kernel::AllFinite{x, flag});
  return flag;
}

Tensor random(const Shape& shape, Dtype dtype, const Device& device, const RandomArgs& args) {
  Tensor y(shape, dtype, device);
  fill_random(y, args);
  return y;
}

void fill_random(const Tensor& y, const RandomArgs& args) {
  check_real("fill_random", y, "the tensor");
  check<ShapeError>(y.numel() <= std::int64_t{1} << 32, "fill_random: one stream has 2^32 draws, but ", y.shape(), " has ",
                    y.numel(), " elements; fill it in parts, each with its own stream");
  y.backend().run(kernel::FillRandom{y, args});
}

}  // namespace mec
