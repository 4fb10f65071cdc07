// Operations along one dimension: sums, means, the largest, softmax, joining and cutting. Shapes
// and errors are those of mec/tensor/ops/dimension.h.
#pragma once

#include "mec/autograd/variable.h"

namespace mec {

Variable sum(const Variable& x, int dim, bool keepdim = false);  // f64 for f64, else f32
Variable mean(const Variable& x, int dim, bool keepdim = false);

// The largest; of equals the first has the gradient, as with torch.max along a dimension.
Variable max(const Variable& x, int dim, bool keepdim = false);
Variable max(const Variable& x);  // of all, shape ()

Variable softmax(const Variable& x, int dim);
Variable log_softmax(const Variable& x, int dim);

Variable cat(const std::vector<Variable>& parts, int dim = 0);
// [begin, end) of the dimension, x[begin:end] in PyTorch.
Variable slice(const Variable& x, std::int64_t begin, std::int64_t end, int dim = 0);

}  // namespace mec
