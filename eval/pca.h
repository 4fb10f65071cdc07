// Principal components: the directions in which features vary most.
#pragma once

#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

struct Pca {
  Tensor mean;                    // (d) f64
  // (k,d) f64, orthonormal rows; of each the entry of largest magnitude is positive.
  Tensor components;
  std::vector<double> variances;  // (k), the largest first; the divisor is N − 1
};

// The first k components of x (N,d), f32 or f64, by subspace iteration on the centred rows (Golub &
// Van Loan, "Matrix Computations", section 8.2) with a fixed start, in f64. Directions without
// variance come last. ShapeError unless x is a matrix of two rows or more, ValueError unless 1 ≤ k
// ≤ d, NumericalError when x is not finite.
Pca fit_pca(const Tensor& x, std::int64_t k);

Tensor project(const Pca& pca, const Tensor& x);  // (N,d) -> (N,k) f64

}  // namespace mec
