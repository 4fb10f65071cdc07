// Matrix products.
#pragma once

#include "mec/tensor/kernels/matmul.h"
#include "mec/tensor/tensor.h"

namespace mec {

// op(a)·op(b): (M,K)(K,N) -> (M,N), op transposing where asked. Same floating dtype; bf16 is
// accumulated in f32. The result has the operands' dtype. ShapeError when the inner sizes differ.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulArgs& args = {});
// The same into c, which may be f32 for bf16 operands; added to c with args.accumulate.
void matmul_into(const Tensor& a, const Tensor& b, const Tensor& c, const MatmulArgs& args = {});

Tensor transpose(const Tensor& x);  // (R,C) -> (C,R)

}  // namespace mec
