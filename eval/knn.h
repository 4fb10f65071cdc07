// Weighted k-nearest-neighbour classification of features (Wu et al., "Unsupervised Feature
// Learning via Non-Parametric Instance Discrimination", CVPR 2018, section 3.4): a score that needs
// no training.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mec/eval/features.h"
#include "mec/eval/neighbours.h"

namespace mec {

// An accuracy means little without these, so reports print them beside it.
struct KnnOptions {
  std::int64_t k = 20;
  double temperature = 0.07;  // cosine only
  Distance distance = Distance::cosine;
  bool center = false;                 // subtract the training features' mean first; without effect on euclidean
  std::function<void()> at_work = {};  // called between pieces of the work; it may throw
};

// "k = 20, T = 0.07, cosine, not centred"
std::string describe(const KnnOptions& options);

// Class of each row of x (M,d): the k nearest training rows vote, with weight exp(s/T) for a cosine
// similarity s, or 1/(distance + 1e-8) for euclidean. Of equal votes the lowest class wins.
// ValueError for k outside [1, rows], T ≤ 0, or missing labels; ShapeError when the widths differ.
std::vector<std::int32_t> knn_classify(const Features& train, const Tensor& x, const KnnOptions& options = {});

}  // namespace mec
