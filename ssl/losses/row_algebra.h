// Row operations that the coding lengths and divergences need beyond tensor/ops. They are composed
// of existing kernels, so they run, and can be recorded, on any device.
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

// Row i of x (R,C) times factors[i]; factors of R elements.
Tensor scale_rows(const Tensor& x, const Tensor& factors);

struct RowLogSumExp {
  Tensor value;    // (R,1), log Σ_c e^{x_rc}; each row's largest is subtracted before exp
  Tensor softmax;  // (R,C), its gradient
};
RowLogSumExp log_sum_exp_rows(const Tensor& x);

}  // namespace mec
