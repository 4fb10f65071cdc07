#include "mec/autograd/ops/matmul.h"

#include "mec/tensor/ops/dimension.h"
#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/matmul.h"

namespace mec {

namespace {

// op(a)·op(b) into what the engine offers for `input`, or into a fresh tensor of `dtype`.
Tensor product_for(const Needs& need, std::size_t input, const Tensor& a, const Tensor& b, MatmulArgs args, const Shape& shape,
                   Dtype dtype) {
  auto [out, accumulate] = need.destination(input);
  if (!out) out = Tensor(shape, dtype, a.device());
  args.accumulate = accumulate;
  matmul_into(a, b, out, args);
  return out;
}

}  // namespace

Variable matmul(const Variable& a, const Variable& b) {
  return record("matmul", matmul(a.data(), b.data()), {a, b},
                [A = a.data(), B = b.data()](const Tensor& dy, const Needs& need) -> Grads {
                  return {need[0] ? product_for(need, 0, dy, B, {.trans_b = true}, A.shape(), A.dtype()) : Tensor{},  // dy Bᵀ
                          need[1] ? product_for(need, 1, A, dy, {.trans_a = true}, B.shape(), B.dtype()) : Tensor{}};  // Aᵀ dy
                });
}

Variable transpose(const Variable& x) {
  return record("transpose", transpose(x.data()), {x}, [](const Tensor& dy, const Needs&) -> Grads { return {transpose(dy)}; });
}

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  const Dtype dtype = x.data().dtype();
  Tensor y = matmul(x.data(), weight.data().to(dtype), {.trans_b = true});
  if (bias) y = add(y, bias.data().to(dtype));
  const Dtype bias_dtype = bias ? bias.data().dtype() : dtype;
  return record(
      "linear", y, {x, weight, bias},
      [X = x.saved(), shape = x.shape(), W = weight.data(), bias_dtype](const Tensor& dy, const Needs& need) -> Grads {
        return {need[0] ? product_for(need, 0, dy, W.to(dy.dtype()), {}, shape, dy.dtype()) : Tensor{},           // dy W
                need[1] ? product_for(need, 1, dy, X.get(), {.trans_a = true}, W.shape(), W.dtype()) : Tensor{},  // dyᵀ x
                need[2] ? sum(dy, 0).to(bias_dtype) : Tensor{}};
      });
}

}  // namespace mec
