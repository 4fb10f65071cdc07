// Pooling of images (N,H,W,C).
#pragma once

#include "mec/autograd/variable.h"
#include "mec/tensor/ops/pooling.h"

namespace mec {

Variable max_pool2d(const Variable& x, const Pool2dArgs& args = {});
Variable global_avg_pool(const Variable& x);  // (N,H,W,C) -> (N,C)

}  // namespace mec
