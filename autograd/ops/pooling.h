// Pooling of images (N,H,W,C).
#pragma once

#include "mec/autograd/variable.h"
#include "mec/tensor/ops/pooling.h"

namespace mec {

Variable max_pool2d(const Variable& x, const Pool2dArgs& args = {});
Variable global_avg_pool(const Variable& x);  // (N,H,W,C) -> (N,C)

// Means of 2x2 pixels: (N,H,W,C) -> (N,⌈H/2⌉,⌈W/2⌉,C). Where a last row or column has no other, it
// stands for both: PyTorch's AvgPool2d(2, ceil_mode=True, count_include_pad=False).
Variable avg_pool2x2(const Variable& x);

}  // namespace mec
