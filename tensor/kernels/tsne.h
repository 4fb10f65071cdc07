// The kernel of t-SNE; see ops/tsne.h for the formulas.
#pragma once

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {
namespace kernel {

// p (N,N), points y (2,N); attraction and repulsion (2,N), weights (N).
struct TsneForces {
  static constexpr auto name = "tsne_forces";
  In p, y;
  Out attraction, repulsion, weights;
};

}  // namespace kernel

using TsneKernels = Family<kernel::TsneForces>;

}  // namespace mec
