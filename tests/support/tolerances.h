// The one table of tolerances for kernels against the f64 reference on the same inputs.
#pragma once

#include "mec/tensor/dtype.h"
#include "support/compare.h"

namespace mec::test {

// What a kernel does to its numbers.
enum class Accuracy { exact, rounded, accumulated, added, transformed, normalized, solved };

// For an output of `dtype`. Integers are always exact.
Tolerance tolerance_of(Accuracy accuracy, Dtype dtype);

}  // namespace mec::test
