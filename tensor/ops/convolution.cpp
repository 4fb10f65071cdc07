#include "mec/tensor/ops/convolution.h"

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

std::int64_t conv_out_size(const char* op, std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                           std::int64_t dilation) {
  check<ValueError>(stride >= 1 && dilation >= 1 && pad >= 0 && kernel >= 1, op, ": kernel ", kernel, ", stride ", stride,
                    " and dilation ", dilation, " are at least 1, padding ", pad, " at least 0");
  const std::int64_t extent = dilation * (kernel - 1) + 1;
  check<ShapeError>(size + 2 * pad >= extent, op, ": a window of ", extent, " does not fit in ", size, " pixels with padding ",
                    pad);
  return (size + 2 * pad - extent) / stride + 1;
}

namespace {

Shape conv_shape(const char* op, const Shape& x, const Shape& w, const Conv2dArgs& args) {
  check<ShapeError>(x.rank() == 4, op, ": the input is (N,H,W,C), but got ", x);
  check<ShapeError>(w.rank() == 4, op, ": the weight is (O,Kh,Kw,C/groups), but got ", w);
  check<ValueError>(args.groups >= 1, op, ": at least one group, but got ", args.groups);
  check<ShapeError>(x[3] == w[3] * args.groups, op, ": weight ", w, " in ", args.groups, " group(s) expects ",
                    w[3] * args.groups, " input channels, but input ", x, " has ", x[3], " (images are NHWC)");
  check<ShapeError>(w[0] % args.groups == 0, op, ": ", w[0], " output channels do not divide into ", args.groups, " groups");
  return {x[0], conv_out_size(op, x[1], w[1], args.stride, args.pad, args.dilation),
          conv_out_size(op, x[2], w[2], args.stride, args.pad, args.dilation), w[0]};
}

void check_operands(const char* op, const Tensor& a, const Tensor& b) {
  check_floating(op, a, "the first operand");
  check_defined(op, b, "the second operand");
  check_device(op, {&a, &b});
  check_dtype(op, b, a.dtype(), "the second operand, like the first,");
}

void check_result(const char* op, const Tensor& operand, const Tensor& result) {
  check_defined(op, result, "the result");
  check_device(op, {&operand, &result});
  check<DtypeError>(result.dtype() == operand.dtype() || (operand.dtype() == Dtype::bf16 && result.dtype() == Dtype::f32), op,
                    ": operands ", operand.dtype(), " cannot be written to ", result.dtype());
}

void check_grad(const char* op, const Tensor& dy, const Shape& expected) {
  check<ShapeError>(dy.shape() == expected, op, ": the output is ", expected, ", but its gradient is ", dy.shape());
}

}  // namespace

Shape conv2d_shape(const char* op, const Tensor& x, const Tensor& w, const Conv2dArgs& args) {
  check_operands(op, x, w);
  check<ValueError>(!args.accumulate, op, ": the forward direction does not accumulate");
  return conv_shape(op, x.shape(), w.shape(), args);
}

Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dArgs& args) {
  Tensor y(conv2d_shape("conv2d", x, w, args), x.dtype(), x.device());
  x.backend().run(kernel::Conv2d{x, w, y, args});
  return y;
}

Tensor conv2d_grad_input(const Tensor& dy, const Tensor& w, const Shape& x_shape, const Conv2dArgs& args) {
  check<ValueError>(!args.accumulate, "conv2d_grad_input: there is no result to add to yet; use conv2d_grad_input_into");
  Tensor dx(x_shape, dy.dtype(), dy.device());
  conv2d_grad_input_into(dy, w, dx, args);
  return dx;
}

void conv2d_grad_input_into(const Tensor& dy, const Tensor& w, const Tensor& dx, const Conv2dArgs& args) {
  check_operands("conv2d_grad_input", dy, w);
  check_result("conv2d_grad_input", dy, dx);
  check_grad("conv2d_grad_input", dy, conv_shape("conv2d_grad_input", dx.shape(), w.shape(), args));
  dy.backend().run(kernel::Conv2dGradInput{dy, w, dx, args});
}

Tensor conv2d_grad_weight(const Tensor& dy, const Tensor& x, const Shape& w_shape, const Conv2dArgs& args) {
  check<ValueError>(!args.accumulate, "conv2d_grad_weight: there is no result to add to yet; use conv2d_grad_weight_into");
  Tensor dw(w_shape, accumulator_of(dy.dtype()), dy.device());
  conv2d_grad_weight_into(dy, x, dw, args);
  return dw;
}

void conv2d_grad_weight_into(const Tensor& dy, const Tensor& x, const Tensor& dw, const Conv2dArgs& args) {
  check_operands("conv2d_grad_weight", dy, x);
  check_result("conv2d_grad_weight", dy, dw);
  check_grad("conv2d_grad_weight", dy, conv_shape("conv2d_grad_weight", x.shape(), dw.shape(), args));
  dy.backend().run(kernel::Conv2dGradWeight{dy, x, dw, args});
}

}  // namespace mec
