// Rate reduction (Yu, Chan, You, Song & Ma, "Learning Diverse and Discriminative Representations
// via the Principle of Maximal Coding Rate Reduction", NeurIPS 2020, equation 8), with gradient.
//
//   ΔR(Z,Π) = R(Z) − R(Z,Π)
//           = ½ log det(I + λ Z Zᵀ) − Σ_j tr Π_j/(2m) · log det(I + α_j Π_j^{1/2} Z Zᵀ Π_j^{1/2})
// nats for each vector: how much longer the code of the whole is than those of its components. It
// grows when the whole spreads out and each component does not.
#pragma once

#include "mec/ssl/losses/mixture.h"

namespace mec {

struct RateReduction {
  Tensor whole, components;  // (1), R(Z) and R(Z,Π) without the membership term
  Tensor reduction;          // (1), their difference
  Tensor dz;                 // (m,d), ∂ΔR/∂Z, where wanted
};
RateReduction rate_reduction(const Tensor& z, const Memberships& memberships, const Tensor& lambda,
                             const LengthOptions& options = {}, bool want_gradient = true);

}  // namespace mec
