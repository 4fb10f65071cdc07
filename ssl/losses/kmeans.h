// k-means (Lloyd 1982) from a k-means++ start (Arthur & Vassilvitskii, SODA 2007), by plain loops
// on the host in f64: for analysis, not for a training step; memberships.h has soft k-means on the
// device.
#pragma once

#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

struct KMeansOptions {
  std::int64_t components = 10;
  int max_rounds = 100;
  // For the start, which is drawn from Philox: the same labels on every device and thread count.
  std::uint64_t seed = 0;
};

struct KMeans {
  std::vector<std::int32_t> labels;  // (m)
  Tensor centres;                    // (k,d) f64, on x's device
  double inertia = 0;                // Σ_i ‖x_i − c(i)‖²
  int rounds = 0;                    // until no label changed, or max_rounds
};
// x (m,d), f32 or f64. A component that loses all its vectors gets the one farthest from its
// centre. ValueError unless 1 ≤ k ≤ m.
KMeans kmeans(const Tensor& x, const KMeansOptions& options);

}  // namespace mec
