// A convolution and the batch norm that follows it.
#pragma once

#include "mec/nn/batch_norm.h"
#include "mec/nn/convolution.h"

namespace mec {

// norm.forward_fused(conv.forward(x, pass), fusion, pass). In evaluation, where no gradient is
// recorded, it is one kernel (kernel::Conv2dBatchNorm), whose result differs by rounding.
Variable conv_norm(const Conv2d& conv, const BatchNorm& norm, const Variable& x, const BatchNormFusion& fusion,
                   const Pass& pass);

}  // namespace mec
