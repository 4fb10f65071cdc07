#include "mec/ssl/losses/row_algebra.h"

#include "mec/tensor/ops.h"

namespace mec {

namespace {

// x − values ⊗ 1: values (R,1).
Tensor subtract_column(const Tensor& x, const Tensor& values) {
  const Tensor y = x.clone();
  matmul_into(values, Tensor::full({1, x.dim(1)}, -1.0, x.dtype(), x.device()), y, {.accumulate = true});
  return y;
}

}  // namespace

Tensor scale_rows(const Tensor& x, const Tensor& factors) { return transpose(mul(transpose(x), factors.reshape({-1}))); }

RowLogSumExp log_sum_exp_rows(const Tensor& x) {
  const Tensor largest = top_k(x, 1).values;
  const Tensor sums = sum(exp(subtract_column(x, largest)), 1);
  RowLogSumExp out{.value = add(log(sums.reshape({-1, 1})), largest), .softmax = {}};
  out.softmax = exp(subtract_column(x, out.value));
  return out;
}

}  // namespace mec
