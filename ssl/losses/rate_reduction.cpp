#include "mec/ssl/losses/rate_reduction.h"

#include "mec/tensor/ops.h"

namespace mec {

RateReduction rate_reduction(const Tensor& z, const Memberships& memberships, const Tensor& lambda,
                             const LengthOptions& options, bool want_gradient) {
  const LengthResult whole = coding_length(z, lambda, options, want_gradient);
  const MixtureResult parts = mixture_coding_length(
      z, memberships, lambda, {.length = options, .form = MixtureForm::limit, .membership_term = false}, want_gradient);
  RateReduction out{.whole = whole.rate, .components = parts.length, .reduction = sub(whole.rate, parts.length), .dz = {}};
  // The rate is the length over m + d.
  if (want_gradient) out.dz = sub(scale(whole.dz, 1 / static_cast<double>(z.dim(0) + z.dim(1))), parts.dz);
  return out;
}

}  // namespace mec
