// Decompositions of square matrices by cuSOLVER, none of whose types shows here.
//
// cuSOLVER reads memory column by column, so it sees the transpose Aᵀ of our row-major A. Nothing
// has to be moved for that:
// - lu factors P Aᵀ = L U. Its determinant is A's, and so is the sign: det Aᵀ = det A.
// - lu_inverse solves Aᵀ X = I. X = (Aᵀ)⁻¹ = (A⁻¹)ᵀ, column by column, is A⁻¹ row by row.
// - cholesky: A is its own transpose, and the upper triangle that cuSOLVER factors as A = UᵀU is
//   the lower one of ours, read and written by rows: L = Uᵀ.
#pragma once

#include <cstddef>
#include <memory>

#include "mec/tensor/backends/cuda/products.h"

namespace mec::cuda {

class Decompositions {
 public:
  // Works on `stream`, a cudaStream_t. cuSOLVER is opened at first use, since few methods need it
  // and it takes time and memory: DeviceError where the first use is within a capture, which allows
  // no opening.
  explicit Decompositions(void* stream);
  ~Decompositions();

  // Bytes of workspace for a matrix (n,n) of f32 or f64.
  std::size_t lu_workspace(std::int64_t n, Dtype dtype);
  std::size_t cholesky_workspace(std::int64_t n, Dtype dtype);

  // In place; `info` (1) i32 in device memory. Pivots are rows of Aᵀ, counted from 1.
  void lu(Out a, Out pivots, int* info, const Workspace& workspace);
  // inverse holds the identity, and becomes A⁻¹.
  void lu_solve(In lu, In pivots, Out inverse, int* info);
  // `info` is 0 where A is positive definite.
  void cholesky(Out a, int* info, const Workspace& workspace);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mec::cuda
