// Eigenvalues and eigenvectors of a symmetric matrix in the host's memory, on one thread: the same
// bits wherever the matrix was made.
#pragma once

#include <cstdint>
#include <vector>

namespace mec {

// By Householder's reflections to a tridiagonal matrix, and implicit QR steps on that (Golub & Van
// Loan, "Matrix Computations", algorithms 8.3.1 to 8.3.3). All results are NaN where a is not
// finite. ShapeError unless a has n·n elements, n ≥ 1.
//
// The eigenvalues of a (n,n), in no order: 2n³ operations.
std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::int64_t n);

struct SymmetricEigen {
  std::vector<double> values;   // (n), the largest first
  std::vector<double> vectors;  // (n,n), orthonormal; row i belongs to values[i]
};
// About 10n³ operations.
SymmetricEigen symmetric_eigen(std::vector<double> a, std::int64_t n);

}  // namespace mec
