// Rows of a matrix: unit length, and cross-entropy with labels.
#pragma once

#include "mec/autograd/variable.h"

namespace mec {

Variable normalize_rows(const Variable& x);  // (R,C) f32 or f64 -> rows of unit length

// Mean over the rows with a label ≥ 0 of −log softmax(logits)[label]: (R,C) f32 or f64, labels (R) i32 -> (). ValueError when
// `labelled`, the number of such rows, is 0.
Variable cross_entropy(const Variable& logits, const Tensor& labels, std::int64_t labelled);

}  // namespace mec
