// Pooling of images (N,H,W,C).
#pragma once

#include "mec/tensor/kernels/pooling.h"
#include "mec/tensor/tensor.h"

namespace mec {

struct MaxPooled {
  Tensor y;  // (N,Ho,Wo,C)
  // u8, the index (row·kernel + column) of the largest pixel within its window: the first of
  // equals, or the last NaN where there is one, as in PyTorch
  Tensor argmax;
};
// Padding is never the maximum. ShapeError unless 2·pad ≤ kernel ≤ 15.
MaxPooled max_pool2d(const Tensor& x, const Pool2dArgs& args = {});
Tensor max_pool2d_grad(const Tensor& dy, const Tensor& argmax, const Shape& x_shape, const Pool2dArgs& args = {});

Tensor global_avg_pool(const Tensor& x);  // (N,H,W,C) -> (N,C)
Tensor global_avg_pool_grad(const Tensor& dy, const Shape& x_shape);

}  // namespace mec
