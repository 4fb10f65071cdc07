// Two-dimensional convolution (cross-correlation, as everywhere in the field), images NHWC and
// weights OHWI.
#pragma once

#include "mec/tensor/kernels/convolution.h"
#include "mec/tensor/tensor.h"

namespace mec {

// Size of one spatial axis after a window of `kernel` has moved over it; ShapeError, naming op,
// when the window does not fit.
std::int64_t conv_out_size(const char* op, std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                           std::int64_t dilation = 1);

// The shape of conv2d(x, w, args). ShapeError and its like, naming op, where they do not fit.
Shape conv2d_shape(const char* op, const Tensor& x, const Tensor& w, const Conv2dArgs& args);

// x (N,H,W,C), w (O,Kh,Kw,C/groups) -> (N,Ho,Wo,O), Ho = (H + 2·pad − dilation·(Kh−1) − 1)/stride +
// 1.
Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dArgs& args = {});
// Gradient of the input, of shape x_shape; into dx, added to it with args.accumulate.
Tensor conv2d_grad_input(const Tensor& dy, const Tensor& w, const Shape& x_shape, const Conv2dArgs& args = {});
void conv2d_grad_input_into(const Tensor& dy, const Tensor& w, const Tensor& dx, const Conv2dArgs& args = {});
// Gradient of the weight, of shape w_shape, f32 for bf16 operands; into dw, added to it with
// args.accumulate.
Tensor conv2d_grad_weight(const Tensor& dy, const Tensor& x, const Shape& w_shape, const Conv2dArgs& args = {});
void conv2d_grad_weight_into(const Tensor& dy, const Tensor& x, const Tensor& dw, const Conv2dArgs& args = {});

}  // namespace mec
