#include "mec/tensor/ops/pooling.h"

#include "mec/tensor/ops/common.h"
#include "mec/tensor/ops/convolution.h"

namespace mec {
using namespace ops;

namespace {

Shape pool_shape(const Shape& x, const Pool2dArgs& args) {
  check<ShapeError>(x.rank() == 4, "max_pool2d: the input is (N,H,W,C), but got ", x);
  check<ShapeError>(2 * args.pad <= args.kernel && args.kernel <= 15, "max_pool2d: padding ", args.pad,
                    " is at most half the kernel, and the kernel ", args.kernel, " at most 15");
  return {x[0], conv_out_size("max_pool2d", x[1], args.kernel, args.stride, args.pad),
          conv_out_size("max_pool2d", x[2], args.kernel, args.stride, args.pad), x[3]};
}

}  // namespace

MaxPooled max_pool2d(const Tensor& x, const Pool2dArgs& args) {
  check_floating("max_pool2d", x, "the input");
  const Shape shape = pool_shape(x.shape(), args);
  MaxPooled out{Tensor(shape, x.dtype(), x.device()), Tensor(shape, Dtype::u8, x.device())};
  x.backend().run(kernel::MaxPool2d{x, out.y, out.argmax, args});
  return out;
}

Tensor max_pool2d_grad(const Tensor& dy, const Tensor& argmax, const Shape& x_shape, const Pool2dArgs& args) {
  check_floating("max_pool2d_grad", dy, "the gradient");
  check_dtype("max_pool2d_grad", argmax, Dtype::u8, "argmax");
  check_same_shape("max_pool2d_grad", dy, argmax);
  check_device("max_pool2d_grad", {&dy, &argmax});
  const Shape expected = pool_shape(x_shape, args);
  check<ShapeError>(dy.shape() == expected, "max_pool2d_grad: the output is ", expected, ", but its gradient is ", dy.shape());
  Tensor dx(x_shape, dy.dtype(), dy.device());
  dy.backend().run(kernel::MaxPool2dGrad{dy, argmax, dx, args});
  return dx;
}

Tensor global_avg_pool(const Tensor& x) {
  check_floating("global_avg_pool", x, "the input");
  check_rank("global_avg_pool", x, 4, "the input", "(N,H,W,C)");
  check<ShapeError>(x.dim(1) > 0 && x.dim(2) > 0, "global_avg_pool: there are no pixels in ", x.shape());
  Tensor y({x.dim(0), x.dim(3)}, x.dtype(), x.device());
  x.backend().run(kernel::GlobalAvgPool{x, y});
  return y;
}

Tensor global_avg_pool_grad(const Tensor& dy, const Shape& x_shape) {
  check_floating("global_avg_pool_grad", dy, "the gradient");
  check_rank("global_avg_pool_grad", dy, 2, "the gradient", "(N,C)");
  check<ShapeError>(x_shape.rank() == 4 && x_shape[0] == dy.dim(0) && x_shape[3] == dy.dim(1),
                    "global_avg_pool_grad: a gradient ", dy.shape(), " does not belong to an input ", x_shape);
  Tensor dx(x_shape, dy.dtype(), dy.device());
  dy.backend().run(kernel::GlobalAvgPoolGrad{dy, dx});
  return dx;
}

}  // namespace mec
