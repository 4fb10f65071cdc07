// Products and decompositions by OpenBLAS and LAPACK, f32 and f64. Without them `kHaveBlas` is
// false and nothing here is called.
#pragma once

#include <cstdint>

#include "mec/tensor/kernels/matmul.h"

namespace mec::cpu {

#if MEC_HAVE_BLAS
constexpr bool kHaveBlas = true;
#else
constexpr bool kHaveBlas = false;
#endif

void blas_matmul(const In& a, const In& b, const Out& c, const MatmulArgs& args);

// LAPACK takes column-major matrices only: `columns` holds the transposed matrix, (n,n), and the
// results are column-major as well.
void lapack_lu(const Out& columns, std::int32_t* pivots);                // pivots from 1
void lapack_lu_inverse(const Out& columns, const std::int32_t* pivots);  // in place
// Row-major: the lower triangle becomes L; false: not positive definite.
bool lapack_cholesky(const Out& rows);

}  // namespace mec::cpu
