// Describes a product of row-major matrices to libraries that store matrices column by column.
//
// A row-major (R,C) matrix is, read column by column, its transpose (C,R): nothing moves. So C =
// op(A) op(B), row-major, is Cᵀ = op(B)ᵀ op(A)ᵀ, column-major, and the library is given B's memory
// first, A's second, each transposed where its option said so.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "mec/tensor/kernels/matmul.h"

namespace mec::cuda {

// leading: elements from the start of one column to that of the next; libraries want at least 1
// even where a matrix is empty.
struct ColumnMatrix {
  std::int64_t rows = 0, columns = 0, leading = 0;
  bool operator==(const ColumnMatrix&) const = default;
};

// result (m,n) = op(first) (m,k) · op(second) (k,n), in the library's sense. first is b, second is
// a.
struct ColumnProduct {
  std::int64_t m = 0, n = 0, k = 0;
  bool trans_first = false, trans_second = false, accumulate = false;
  ColumnMatrix first, second, result;  // as stored
  Dtype operands = Dtype::f32, output = Dtype::f32;
  bool operator==(const ColumnProduct&) const = default;
};

inline ColumnMatrix column_matrix(const Shape& row_major) {
  return {.rows = row_major[1], .columns = row_major[0], .leading = std::max<std::int64_t>(row_major[1], 1)};
}

inline ColumnProduct column_product(const In& a, const In& b, const In& c, const MatmulArgs& args) {
  return {.m = c.shape[1],
          .n = c.shape[0],
          .k = a.shape[args.trans_a ? 0 : 1],
          .trans_first = args.trans_b,
          .trans_second = args.trans_a,
          .accumulate = args.accumulate,
          .first = column_matrix(b.shape),
          .second = column_matrix(a.shape),
          .result = column_matrix(c.shape),
          .operands = a.dtype,
          .output = c.dtype};
}

}  // namespace mec::cuda
