// How many balls of radius ε the vectors fill: counted by a greedy ε-net, and as the coding
// length's ratio of volumes.
//
//   packing number = √det(I + d/(mε²) ZᵀZ)
// is the volume that m vectors with noise of mean square ε² fill, over that of the noise. Its
// logarithm is the rate R(Z), and L(Z) = (m + d) R(Z) (Ma, Derksen, Hong & Wright, PAMI 2007,
// section 3). The net is counted by plain loops on the host, for analysis.
#pragma once

#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

// Indices of the centres, in order: a row that is farther than ε from all centres before it becomes
// one. Every row then lies within ε of a centre, and centres lie more than ε apart. z (m,d), f32 or
// f64, rows as they are. ValueError unless ε² > 0.
std::vector<std::int64_t> epsilon_net(const Tensor& z, double eps2);

struct Packing {
  double eps2 = 0;
  std::int64_t net = 0;    // centres of the greedy ε-net, at most m
  double log_packing = 0;  // nats; the rate R(Z)
};
// Both counts for each ε², after the rows are scaled to unit length. ValueError unless 0 < ε² < 4:
// points of the unit sphere are at most 2 apart, so at 4 one ball holds all of them.
std::vector<Packing> sphere_packing(const Tensor& z, const std::vector<double>& eps2);

}  // namespace mec
