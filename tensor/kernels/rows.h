// Kernels that treat each row of (R,C) on its own.
#pragma once

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {
namespace kernel {

// y = x/max(‖x‖, eps), inv_norm (R) = 1/max(‖x‖, eps); NaN stays.
struct NormalizeRows {
  static constexpr auto name = "normalize_rows";
  In x;
  Out y, inv_norm;
  double eps;
};

// dx = (dy − y·(y·dy))·inv_norm
struct NormalizeRowsGrad {
  static constexpr auto name = "normalize_rows_grad";
  In y, inv_norm, dy;
  Out dx;
};

// loss (R) = −log softmax(logits)[label]; dlogits = softmax − onehot, both unscaled. labels i32; a
// negative label gives 0. NaN for the whole row, loss and gradient, where the label is C or more,
// and where the row has a NaN or +∞ or nothing but −∞.
struct CrossEntropy {
  static constexpr auto name = "cross_entropy";
  In logits, labels;
  Out loss, dlogits;
};

// y = softmax(x) along each row, or its logarithm. NaN for the whole row where it has a NaN or +∞
// or nothing but −∞. y is not x.
struct Softmax {
  static constexpr auto name = "softmax";
  In x;
  Out y;
  bool log;
};

// dx = y·(dy − Σ y·dy); for the logarithm dx = dy − exp(y)·Σ dy.
struct SoftmaxGrad {
  static constexpr auto name = "softmax_grad";
  In y, dy;
  Out dx;
  bool log;
};

// The k largest of each row, in falling order, NaN before all, ties by lower index (NaNs are
// equals, and so are −0 and 0). values (R,k), indices i32 (R,k).
struct TopK {
  static constexpr auto name = "top_k";
  In x;
  Out values, indices;
};

// dx (R,C): dy (R,k) at indices i32 (R,k), which differ within a row, and 0 elsewhere. An index
// outside [0,C) has no place.
struct TopKGrad {
  static constexpr auto name = "top_k_grad";
  In indices, dy;
  Out dx;
};

}  // namespace kernel

using RowKernels = Family<kernel::NormalizeRows, kernel::NormalizeRowsGrad, kernel::CrossEntropy, kernel::Softmax,
                          kernel::SoftmaxGrad, kernel::TopK, kernel::TopKGrad>;

}  // namespace mec
