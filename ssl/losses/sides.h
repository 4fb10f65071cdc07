// Which of two ways to the same loss costs less, from the sizes of the batch alone: so a run takes
// the same one in each of its steps.
#pragma once

#include <cstdint>

#include "mec/tensor/dtype.h"

namespace mec {

struct BatchSize {
  std::int64_t rows = 0, width = 0;  // m of all ranks, d
  int ranks = 1;                     // R, each with m/R of the rows
  Dtype dtype = Dtype::f32;
};

// The time in which a byte reaches a rank is that of so many flops. Two processes of a virtual Zen
// 4 exchange 1.5 GB/s and multiply 70 GFLOP/s each; nodes of a cluster lie near that, too: some
// GB/s and some hundred GFLOP/s for each rank.
constexpr double kFlopsPerByte = 50;

// C = λPZᵀ (m,m) with so many products of such matrices, against λZᵀP (d,d) with as many:
//   (m,m): 4m²d/R + 2·products·m³ flops; Z and C are gathered, md + m² numbers
//   (d,d): 4md²/R + 2·products·d³ flops; one sum of d² numbers, which reach each rank in two halves
// In one process, where nothing is sent: whether m ≤ d.
bool batch_side_is_cheaper(const BatchSize& batch, double products);

// A loss of the features' (d,d) matrix XᵀX, from each rank's own rows, against the same from the
// rows of all ranks, on each of them:
//   own rows: 4md²/R flops, the matrix and its gradient; one sum of d² numbers
//   all rows: 4md² flops; X is gathered, md numbers
bool feature_sums_are_cheaper(const BatchSize& batch);

}  // namespace mec
