// The forces of t-SNE (van der Maaten & Hinton, "Visualizing Data using t-SNE", JMLR 2008, equation
// 5), N² pairs in one pass.
#pragma once

#include "mec/tensor/kernels/tsne.h"
#include "mec/tensor/tensor.h"

namespace mec {

// With w_ij = 1/(1 + ‖y_i − y_j‖²) over j ≠ i:
struct TsneForces {
  Tensor attraction;  // (2,N), Σ_j p_ij w_ij (y_i − y_j)
  Tensor repulsion;   // (2,N), Σ_j w_ij² (y_i − y_j)
  Tensor weights;     // (N), Σ_j w_ij; their sum Z makes q_ij = w_ij/Z
};
// p (N,N), and points y (2,N), one row for each coordinate; f32 or f64. The gradient of KL(p‖q) for
// symmetric p of sum 1 is 4·(attraction − repulsion/Z).
TsneForces tsne_forces(const Tensor& p, const Tensor& y);

}  // namespace mec
