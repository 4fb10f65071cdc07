// Products of matrices, and the affine map of a linear layer.
#pragma once

#include "mec/autograd/variable.h"

namespace mec {

Variable matmul(const Variable& a, const Variable& b);  // (M,K) x (K,N) -> (M,N)
Variable transpose(const Variable& x);                  // (R,C) -> (C,R)

// x Wᵀ + b: x (N,I), weight (O,I), bias (O) or undefined -> (N,O), in x's dtype. A parameter's
// gradient has the parameter's dtype, f32.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias);

}  // namespace mec
