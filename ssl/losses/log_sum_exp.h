// log Σ exp along each row, composed of existing kernels: it runs, and can be recorded, on any
// device.
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

struct RowLogSumExp {
  Tensor value;    // (R,1), log Σ_c e^{x_rc}, each row's largest is subtracted before exp
  Tensor softmax;  // (R,C), its gradient
};
RowLogSumExp log_sum_exp_rows(const Tensor& x);

}  // namespace mec
