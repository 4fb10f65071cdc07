#include "mec/ssl/losses/log_sum_exp.h"

#include "mec/tensor/ops.h"

namespace mec {

RowLogSumExp log_sum_exp_rows(const Tensor& x) {
  const Tensor largest = max(x, 1, true).values;
  RowLogSumExp out{.value = log(sum(exp(x - largest), 1, true)) + largest, .softmax = {}};
  out.softmax = exp(x - out.value);
  return out;
}

}  // namespace mec
