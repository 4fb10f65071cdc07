// Comparison of tensors that a NaN cannot pass.
#pragma once

#include <string>

#include "mec/tensor/tensor.h"

namespace mec::test {

// |actual − expected| ≤ relative·|expected| + of_rms·rms(expected), element by element.
struct Tolerance {
  double relative = 0;
  // For sums that cancel: their error goes with the size of the terms, not with the result.
  double of_rms = 0;
};

// What is asked of elements that are not ordinary numbers.
enum class Classes {
  finite,                     // NaN never passes
  with_nan,                   // NaN passes where NaN is expected
  with_nan_and_signed_zeros,  // and a zero has the sign of the zero that is expected
  // NaN passes anywhere, and all that passes where infinity or NaN is expected is not finite.
  with_spreading_nan,
};

struct Comparison {
  bool ok = false;
  std::string message;  // the worst element and its bound
  explicit operator bool() const { return ok; }
};

// Any dtypes and devices. Different shapes fail; infinities must be equal.
Comparison compare(const Tensor& actual, const Tensor& expected, const Tolerance& tolerance, Classes classes = Classes::finite);

}  // namespace mec::test
