// The exact spectral norm of a product, where training only estimates it.
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

// ‖P Zᵀ‖₂ of two (m,d) matrices in f64, to about twelve digits: Lanczos' method (Golub & Van Loan,
// "Matrix Computations", section 10.1) on Z Pᵀ P Zᵀ with complete reorthogonalisation, from a fixed
// random vector; unlike power iteration it does not slow down where singular values lie close
// together. ShapeError for sizes that differ, DtypeError unless f64.
double spectral_norm_of_product(const Tensor& p, const Tensor& z);

}  // namespace mec
