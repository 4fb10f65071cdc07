// Operations along one dimension of a tensor: sums, means, the largest, softmax, joining and
// cutting.
//
// `dim` counts from 0, or from the last dimension as -1. With keepdim the dimension that is summed
// stays, with size 1, so that the result still repeats along x. The fast dimensions are the last
// one for max and softmax, the first one for cat and slice, and either for sum and mean: any other
// is brought there by transposing, which costs a copy before and one after.
#pragma once

#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

// Any floating dtype; the sum is f64 for f64, else f32. ShapeError for a dimension that is not
// there.
Tensor sum(const Tensor& x, int dim, bool keepdim = false);
// The sum over the number of elements that went into it; of none, NaN.
Tensor mean(const Tensor& x, int dim, bool keepdim = false);

// The sum over whatever expand() repeats to get from `shape` to x; x's dtype, added up in f32 or
// f64. ShapeError where x is no repetition of `shape`.
Tensor sum_to_size(const Tensor& x, const Shape& shape);

struct Max {
  Tensor values;   // x's dtype; NaN where there is one
  Tensor indices;  // i32, places along the dimension; of equals the first
};
// Any floating dtype. ShapeError where there is nothing along the dimension, or more than i32
// counts.
Max max(const Tensor& x, int dim, bool keepdim = false);
Tensor max(const Tensor& x);  // the largest of all, shape ()
// dx of shape `x`: dy at `indices`, both of the shape of max().values, and 0 elsewhere.
Tensor max_grad(const Tensor& indices, const Tensor& dy, const Shape& x, int dim);

// exp(x)/Σ exp(x) along the dimension, and its logarithm, which stays finite where softmax is 0.
// Any floating dtype, bf16 computed in f32. NaN all along where there is a NaN, +∞, or nothing but
// −∞.
Tensor softmax(const Tensor& x, int dim);
Tensor log_softmax(const Tensor& x, int dim);
// From the result y: dx = y·(dy − Σ y·dy), and dx = dy − exp(y)·Σ dy.
Tensor softmax_grad(const Tensor& y, const Tensor& dy, int dim);
Tensor log_softmax_grad(const Tensor& y, const Tensor& dy, int dim);

// One after the other, as torch.cat; any dtype. ValueError for no tensors, ShapeError and
// DtypeError for tensors that differ in more than the size of that dimension.
Tensor cat(const std::vector<Tensor>& parts, int dim = 0);
// [begin, end) of the dimension, as x[begin:end] in Python but 0 ≤ begin ≤ end ≤ size; any dtype.
// Shares x's memory where no dimension before dim is longer than 1, so for dim 0, and is a copy
// elsewhere.
Tensor slice(const Tensor& x, std::int64_t begin, std::int64_t end, int dim = 0);

}  // namespace mec
