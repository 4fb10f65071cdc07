// Comparison of tensors that a NaN cannot pass.
#pragma once

#include <string>

#include "mec/tensor/tensor.h"

namespace mec::test {

// |actual − expected| ≤ relative·|expected| + of_rms·rms(expected), element by element.
struct Tolerance {
  double relative = 0;
  double of_rms = 0;  // for sums that cancel: their error goes with the size of the terms, not with the result
};

struct Comparison {
  bool ok = false;
  std::string message;  // the worst element and its bound
  explicit operator bool() const { return ok; }
};

// Any dtypes and devices. Different shapes fail, and so does NaN on either side; infinities must be equal.
Comparison compare(const Tensor& actual, const Tensor& expected, const Tolerance& tolerance);

}  // namespace mec::test
