// Operations on the rows of a matrix (R,C): unit length, cross-entropy, the largest entries,
// gathering.
#pragma once

#include "mec/tensor/kernels/rows.h"
#include "mec/tensor/tensor.h"

namespace mec {

struct NormalizedRows {
  Tensor y;         // (R,C), x/max(‖x‖₂, eps)
  Tensor inv_norm;  // (R), 1/max(‖x‖₂, eps)
};
NormalizedRows normalize_rows(const Tensor& x, double eps = 1e-12);  // f32 or f64
// dx = (dy − y·(y·dy))·inv_norm, the projection onto the sphere's tangent.
Tensor normalize_rows_grad(const NormalizedRows& saved, const Tensor& dy);

struct CrossEntropy {
  Tensor loss;     // (R), −log softmax(logits)[label]; 0 for a negative label
  Tensor dlogits;  // (R,C), softmax − onehot(label); 0 for a negative label
};
// (R,C) f32 or f64, (R) i32. ValueError for a label of C or more where the host can read the
// labels; elsewhere, as on a GPU or in a recorded step, its row becomes NaN. So does a row with
// NaN, with +∞ or all of −∞.
CrossEntropy cross_entropy(const Tensor& logits, const Tensor& labels);
// How many of the labels (R) i32 are not negative. ValueError where the host cannot read them.
std::int64_t count_labelled(const Tensor& labels);

struct TopK {
  Tensor values;   // (R,k), descending, NaN first
  Tensor indices;  // (R,k) i32; of equals (−0 and 0, NaN and NaN) the lower index first
};
TopK top_k(const Tensor& x, std::int64_t k);  // f32 or f64; ValueError unless 1 ≤ k ≤ C

// (R,…) any dtype, (M) i64 within [0,R) -> (M,…). ValueError for an index out of range where the
// host can read the indices; elsewhere its row becomes NaN, or -1 in whole numbers.
Tensor gather_rows(const Tensor& x, const Tensor& index);

}  // namespace mec
