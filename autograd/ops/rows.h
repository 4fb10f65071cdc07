// Rows of unit length, and cross-entropy with labels.
#pragma once

#include "mec/autograd/variable.h"

namespace mec {

Variable normalize_rows(const Variable& x);  // (R,C) f32 or f64 -> rows of unit length

// Mean over the rows with a label ≥ 0 of −log softmax(logits)[label]: (R,C) f32 or f64, labels (R)
// i32 -> (). Rows with a negative label are left out, as with PyTorch's ignore_index. ValueError
// where every row is left out, and where the host cannot read the labels to count them.
Variable cross_entropy(const Variable& logits, const Tensor& labels);
// The same for labels that the host cannot read: on a GPU, or in a recorded step. `labelled` is the
// number of labels ≥ 0, counted before the labels were copied to the device.
Variable cross_entropy(const Variable& logits, const Tensor& labels, std::int64_t labelled);

}  // namespace mec
