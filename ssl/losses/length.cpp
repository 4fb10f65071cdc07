#include "mec/ssl/losses/length.h"

#include "mec/ssl/losses/pair.h"
#include "mec/tensor/ops.h"

namespace mec {

GramTerm gram_term(const Tensor& a, const Tensor& alpha, const LengthOptions& options, bool want_gradient) {
  const bool batch_side = options.side == Side::batch || (options.side == Side::automatic && a.dim(0) <= a.dim(1));
  const Tensor gram = batch_side ? matmul(a, a, {.trans_b = true}) : matmul(a, a, {.trans_a = true});
  const NormVectors vectors = spectral_norm_vectors(a, a, batch_side ? gram : Tensor());
  const Tensor c = scale(gram, alpha);
  const Expansion expansion =
      options.exact ? expand_symmetric(c, 2.0, want_gradient) : expand_series(c, options.order, 2.0, want_gradient);
  GramTerm out{.value = value_of(expansion),
               .da = {},
               .norm = coding_scale(alpha, vectors.u, vectors.v, {.adapt = false}).segment(1, {1}),
               .converges = cholesky(matrix_polynomial({c}, {1.0, -1.0})).log_det.segment(1, {1})};
  if (want_gradient) {
    // C = α A Aᵀ and Q is symmetric: ∂T = 2α Q A, and on the feature side 2α A Q.
    out.da = scale(batch_side ? matmul(expansion.gradient, a) : matmul(a, expansion.gradient), alpha);
  }
  return out;
}

void check_length_input(const char* op, const Tensor& z, const Tensor& lambda, const LengthOptions& options) {
  check<ShapeError>(z && z.rank() == 2 && z.numel() > 0, op, ": the vectors are the rows of a matrix (m,d), but got ",
                    z.shape());
  check<DtypeError>(z.dtype() == Dtype::f32 || z.dtype() == Dtype::f64, op, ": the vectors are f32 or f64, but are ",
                    z.dtype());
  check<DtypeError>(lambda && lambda.numel() == 1 && lambda.dtype() == z.dtype(), op, ": lambda is one ", z.dtype(),
                    " value, but is ", lambda.shape(), " ", lambda.dtype());
  check<ValueError>(options.exact || options.order >= 1, op, ": the order of the series is at least 1, but is ", options.order);
}

LengthResult coding_length(const Tensor& z, const Tensor& lambda, const LengthOptions& options, bool want_gradient) {
  check_length_input("coding length", z, lambda, options);
  const NormalizedRows unit = options.normalize ? normalize_rows(z) : NormalizedRows{z, {}};
  const GramTerm term = gram_term(unit.y, lambda, options, want_gradient);
  const double mu = static_cast<double>(z.dim(0) + z.dim(1)) / 2;
  LengthResult out{.length = scale(term.value, mu),
                   .rate = scale(term.value, 0.5),
                   .dz = {},
                   .norm = term.norm,
                   .converges = term.converges};
  if (want_gradient) {
    out.dz = scale(term.da, mu);
    if (options.normalize) out.dz = normalize_rows_grad(unit, out.dz);
  }
  return out;
}

}  // namespace mec
