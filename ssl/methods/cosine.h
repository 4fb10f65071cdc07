// The cosine of pairs of rows, on which SimSiam and BYOL are built.
#pragma once

#include "mec/ssl/methods/pair_objective.h"

namespace mec {

// loss = weight·(offset + slope·c) with c the mean cosine of the rows of p and z. metrics (2): loss
// and weight·c. ShapeError for sizes that differ.
struct CosineLoss {
  const char* name;
  double offset, slope;
};
PairResult cosine_pair(const CosineLoss& loss, const Tensor& p, const Tensor& z, const PairOptions& options);

}  // namespace mec
