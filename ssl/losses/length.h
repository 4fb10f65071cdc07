// The coding length of one set of vectors (Ma, Derksen, Hong & Wright, "Segmentation of
// Multivariate Mixed Data via Lossy Data Coding and Compression", PAMI 2007, equation 12), with
// gradient.
//
//   L(Z) = μ log det(I + λ Z Zᵀ) nats
//   R(Z) = ½ log det(I + λ Z Zᵀ), the rate: nats for each vector as m → ∞
// Z is (m,d), one vector in each row; ε² is the distortion, λ = d/(m ε²), μ = (m + d)/2. The
// derivation is in docs/coding.md.
#pragma once

#include "mec/ssl/losses/expansion.h"

namespace mec {

constexpr double kBitsPerNat = 1.4426950408889634;  // 1/log 2

struct LengthOptions {
  bool exact = true;       // log det by Cholesky, otherwise the series
  std::int64_t order = 4;  // of the series
  Side side = Side::automatic;
  bool normalize = true;  // scales rows to unit length first; the gradient includes this
};

// T(α A Aᵀ) for any rows A (m,d): every coding length is a weighted sum of such terms. α (1) in
// device memory.
struct GramTerm {
  Tensor value;      // (1), T
  Tensor da;         // (m,d), ∂T/∂A = 2α Q A; undefined unless wanted
  // (1), the largest eigenvalue of α A Aᵀ, estimated from below by power iteration.
  Tensor norm;
  // (1), 1 where the largest eigenvalue is below 1, else 0. Exact, not from the estimate above:
  // whether I − α A Aᵀ has a Cholesky decomposition.
  Tensor converges;
};
GramTerm gram_term(const Tensor& a, const Tensor& alpha, const LengthOptions& options, bool want_gradient);

struct LengthResult {
  Tensor length;  // (1), L(Z) in nats
  Tensor rate;    // (1), R(Z) in nats for each vector
  Tensor dz;      // (m,d), ∂L/∂Z; ∂R = ∂L/(m + d)
  Tensor norm, converges;
};

// z (m,d), f32 or f64; lambda (1) in device memory. ShapeError unless z is a matrix with rows,
// ValueError for order < 1.
LengthResult coding_length(const Tensor& z, const Tensor& lambda, const LengthOptions& options = {}, bool want_gradient = true);

// For every function that takes LengthOptions; `op` names the caller in errors.
void check_length_input(const char* op, const Tensor& z, const Tensor& lambda, const LengthOptions& options);

}  // namespace mec
