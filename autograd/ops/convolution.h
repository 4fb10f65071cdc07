// Two-dimensional convolution.
#pragma once

#include "mec/autograd/variable.h"
#include "mec/tensor/ops/convolution.h"

namespace mec {

// x (N,H,W,C), weight (O,Kh,Kw,C/groups) -> (N,Ho,Wo,O) in x's dtype. The weight's gradient has the
// weight's dtype (f32).
Variable conv2d(const Variable& x, const Variable& weight, const Conv2dArgs& args = {});

}  // namespace mec
