// The coding length of a set whose vectors belong to k components, each coded by itself (Ma,
// Derksen, Hong & Wright, PAMI 2007, equations 16 and 22), with gradient; and the same for pairs,
// as a loss.
//
//   finite m:  L(Z,Π) = Σ_j (tr Π_j + d)/2 · log det(I + α_j Π_j^{1/2} Z Zᵀ Π_j^{1/2})
//                       + Σ_j tr Π_j · log(m/tr Π_j)
//   limit:     R(Z,Π) = Σ_j tr Π_j/(2m) · log det(…) + Σ_j tr Π_j/m · log(m/tr Π_j)
// α_j = d/(ε² tr Π_j) = λ m/tr Π_j, so λ is that of the whole set. The first is nats for all m
// vectors, the second nats for each vector as m → ∞. The last sum is the membership term: the cost
// of coding which component each vector belongs to; it is constant in Z. With one component both
// are the plain coding length. The series of component j stands for its logarithm while the largest
// eigenvalue of its matrix is below 1; ε² ≥ d suffices for all. The derivation is in
// docs/coding.md.
#pragma once

#include "mec/ssl/losses/length.h"
#include "mec/ssl/losses/memberships.h"
#include "mec/ssl/losses/pair.h"

namespace mec {

enum class MixtureForm { finite, limit };

struct MixtureOptions {
  LengthOptions length = {};
  MixtureForm form = MixtureForm::finite;
  bool membership_term = true;
};

struct MixtureResult {
  Tensor length;            // (1), with the membership term where asked
  Tensor membership;        // (1), the term by itself
  Tensor dz;                // (m,d), where wanted; memberships carry no gradient
  Tensor norms, converges;  // (k), as in GramTerm; 0 and 1 for a component without vectors
};
// z (m,d), f32 or f64; lambda (1) in device memory.
MixtureResult mixture_coding_length(const Tensor& z, const Memberships& memberships, const Tensor& lambda,
                                    const MixtureOptions& options = {}, bool want_gradient = true);

struct MixturePairOptions {
  // Of each component: order, exact, symmetrize, adapt; weight is that of the whole loss.
  CodingOptions pair = {};
  MixtureForm form = MixtureForm::finite;
};

// Where each metric stands in MixturePair::metrics; the k norms ‖C_j‖₂ follow, and then the k signs
// of det(I + C_j).
enum class MixtureMetric : int { loss, coding_length, membership, count };

struct MixturePair {
  Tensor metrics;  // (3 + 2k)
  Tensor dp, dz;   // (m,d), where needed
};
// C_j = α_j Π_j^{1/2} P Zᵀ Π_j^{1/2}. The loss is −Σ_j w_j T(C_j)/(α_j tr Π_j), with w_j = (tr Π_j
// + d)/(m + d), or tr Π_j/m in the limit form. Order 1 in the limit form is minus the mean cosine,
// and one component gives the loss of coding_length_pair. The coding length that is reported leaves
// out the membership term.
MixturePair mixture_pair(const Tensor& p, const Tensor& z, const Memberships& memberships, const Tensor& lambda,
                         const MixturePairOptions& options = {}, const CodingNeeds& needs = {});

}  // namespace mec
