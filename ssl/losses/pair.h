// The coding length of pairs of embeddings, with hand-written gradient (Liu et al.,
// "Self-Supervised Learning via Maximum Entropy Coding", NeurIPS 2022, equations 4 to 9).
//
// P and Z are m unit rows of width d; ε² is the distortion, λ = d/(m ε²), μ = (m + d)/2.
//   C = λ P Zᵀ (m,m), or λ Zᵀ P (d,d): tr Cᵏ and det(I + C) are the same for both, so the
//   cheaper one is taken (sides.h).
//   T(C) = Σ_{k≤n} (−1)^{k+1}/k tr Cᵏ, or log det(I + C) exactly
//   loss = −T(C)/(λm),   coding length = μ T(C) nats
// Order 1 is minus the mean cosine of the pairs. The series stands for the logarithm only while
// ‖C‖₂ < 1; since ‖C‖₂ ≤ d/ε², ε² ≥ d always suffices. The derivation is in docs/mec.md.
#pragma once

#include "mec/distributed/batch_rows.h"
#include "mec/ssl/losses/expansion.h"

namespace mec {

enum class OnDivergence { adapt, warn, stop };

struct CodingOptions {
  std::int64_t order = 4;  // of the series; ignored when exact
  bool exact = false;      // log det(I + C) by LU
  Side side = Side::automatic;
  // (C + Cᵀ)/2 for C: real eigenvalues, so an even order is bounded (loss ≥ −1). Batch side only.
  bool symmetrize = false;
  bool adapt = false;       // use λ·min(1, 0.9/‖λPZᵀ‖₂); no effect for order 1 and exact
  double weight = 1.0;      // of this pair in the loss
  // Of a batch on several ranks, p and z are this rank's rows, and so are the gradients; m and all
  // metrics are those of the whole.
  BatchRows rows = {};
};

struct CodingNeeds {
  bool dp = true;
  bool dz = false;
};

// Where each metric of a pair stands in CodingResult::metrics.
enum class CodingMetric : int { loss, coding_length, lambda, spectral_norm, effective_norm, sign, width_over_rows, count };

// One of the metrics that were read back.
inline double at(const std::vector<double>& metrics, CodingMetric which) { return metrics.at(static_cast<std::size_t>(which)); }

struct CodingResult {
  // (7), in the order of CodingMetric: weighted loss and coding length, λ as used, ‖λPZᵀ‖₂ before
  // and after adapting, sign of det(I + C) (1 for a series), d/m.
  Tensor metrics;
  Tensor dp, dz;  // (m,d), where needed
};

// p, z (m,d), f32 or f64, with rows of any length: they are scaled to unit length here, and the
// gradients include that. lambda (1) in device memory, the rows' dtype. ShapeError for sizes that
// differ; ValueError for order < 1 or a symmetrised feature side.
CodingResult coding_length_pair(const Tensor& p, const Tensor& z, const Tensor& lambda, const CodingOptions& options,
                                const CodingNeeds& needs = {});

// The core of coding_length_pair, without normalising the rows: K = PZᵀ, C = λK, T(C), and with Qᵀ
// = ∂T/∂C the gradients factor·∂(T/λ)/∂P and factor·∂(T/λ)/∂Z.
struct PairTerm {
  Expansion expansion;
  Tensor scales;  // (3): λ as used, ‖λK‖₂ before and after adapting
  Tensor dp, dz;  // (m,d), where needed
};
PairTerm pair_term(const Tensor& p, const Tensor& z, const Tensor& lambda, const CodingOptions& options, double factor,
                   const CodingNeeds& needs);
void check_pair(const Tensor& p, const Tensor& z, const Tensor& lambda, const CodingOptions& options);

// λ = d/(m ε²). ValueError unless ε² is positive and f32 holds the result.
double coding_lambda(std::int64_t m, std::int64_t d, double eps2);
// (1), for rows z (m,d); z's dtype and device.
Tensor coding_lambda(const Tensor& z, double eps2, const BatchRows& rows = {});

// Vectors u and v = P Zᵀ u (m,1), so that ‖v‖/‖u‖ estimates ‖P Zᵀ‖₂ from below: power iteration on
// (PZᵀ)ᵀPZᵀ with a fixed start. k is P Zᵀ where the caller has it; without it no (m,m) matrix is
// formed. With p and z of a rank's own rows, u and v still are of all.
struct NormVectors {
  Tensor u, v;
};
NormVectors spectral_norm_vectors(const Tensor& p, const Tensor& z, const Tensor& k = {}, const BatchRows& rows = {});

}  // namespace mec
