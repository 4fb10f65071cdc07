// A convolution and the batch norm that follows it.
#pragma once

#include "mec/nn/batch_norm.h"
#include "mec/nn/convolution.h"

namespace mec {

// norm.forward_fused(conv.forward(x, pass), fusion, pass): in evaluation, where no gradient is
// recorded, in one pass over memory on devices that can (kernel::Conv2dBatchNorm), equal up to
// rounding.
Variable conv_norm(const Conv2d& conv, const BatchNorm& norm, const Variable& x, const BatchNormFusion& fusion,
                   const Pass& pass);

}  // namespace mec
