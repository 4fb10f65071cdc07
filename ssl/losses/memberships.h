// Memberships Π of m vectors in k components, hard or soft, and functions that compute them.
//
// Row i of Π (m,k) sums to 1. Column j is the diagonal of Π_j; tr Π_j is the size of component j,
// in vectors.
#pragma once

#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

class Memberships {
 public:
  // weights (m,k), f32 or f64, not negative, rows that sum to 1. Not checked here: a training step
  // calls this, and must not read back. check_memberships() checks data from outside.
  static Memberships soft(const Tensor& weights);
  // One component for each vector, in [0, k); a component may be empty. Vectors of a component are
  // gathered, so that its matrices have its own size. dtype is that of the vectors given to
  // split(). ValueError for a label outside, or none.
  static Memberships hard(const std::vector<std::int32_t>& labels, std::int64_t components, Dtype dtype, const Device& device);

  std::int64_t rows() const { return rows_; }                // m
  std::int64_t components() const { return sizes_.dim(0); }  // k
  const Tensor& sizes() const { return sizes_; }             // (k), tr Π_j

  // The matrices Π_j^{1/2} Z of z (m,d). Where Π is hard, without their zero rows, and undefined
  // for a component without vectors.
  std::vector<Tensor> split(const Tensor& z) const;
  // The transposed map, for gradients: Σ_j Π_j^{1/2} parts_j, (m,d).
  Tensor join(const std::vector<Tensor>& parts) const;

 private:
  std::int64_t rows_ = 0;
  Tensor sizes_;
  Tensor roots_;                       // soft: (k,m), √Π_ij
  Tensor order_, inverse_;             // hard: (m) i64, sorts the vectors by component, and back
  // hard: component j has the sorted vectors [offsets[j], offsets[j+1]).
  std::vector<std::int64_t> offsets_;
};

// DtypeError, ShapeError or ValueError, naming `name` and the row, unless weights (m,k) are
// memberships to within 1e-4.
void check_memberships(const Tensor& weights, const std::string& name);

// (m,k): softmax(z·cᵀ/temperature) of each row over the prototypes c (k,d), where the rows of both
// are first scaled to unit length. No gradient goes through it.
Tensor prototype_memberships(const Tensor& z, const Tensor& prototypes, double temperature);

struct PrototypeOptions {
  std::int64_t components = 8;
  double temperature = 0.1;
  int rounds = 3;  // of soft k-means on the sphere; 0 keeps the starting directions
  std::uint64_t seed = 0;
};
// (k,d) directions drawn uniformly from the sphere. ValueError unless k ≥ 1 and temperature > 0.
Tensor random_prototypes(std::int64_t d, const PrototypeOptions& options, Dtype dtype, const Device& device);
// The prototypes after rounds of c_j ← Σ_i Π_ij z_i, scaled to unit length: soft k-means on the
// sphere. All on the device, without reading back, so that a training step with it can be recorded.
Tensor soft_kmeans(const Tensor& z, const Tensor& start, const PrototypeOptions& options);

}  // namespace mec
