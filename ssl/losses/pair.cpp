#include "mec/ssl/losses/pair.h"

#include <limits>

#include "mec/ssl/losses/sides.h"
#include "mec/tensor/ops.h"
#include "mec/tensor/philox.h"

namespace mec {

namespace {

// After r rounds, a direction whose singular value is g times the largest has g^{4r−4} times its
// initial weight, relative to the largest. A bad case: 2,000 such directions at the worst g, 0.89,
// and a start with a tenth of the expected weight in the largest. Even then 20 rounds give an
// estimate of 0.92 of the norm.
constexpr int kNormRounds = 20;
constexpr double kNormLimit = 0.9;

bool choose_batch_side(const Tensor& p, const CodingOptions& options) {
  if (options.symmetrize || options.side == Side::batch) return true;
  const double products = options.exact ? 1 : static_cast<double>((options.order + 1) / 2);
  return options.side == Side::automatic &&
         batch_side_is_cheaper(
             {.rows = options.rows.count(p), .width = p.dim(1), .ranks = options.rows.ranks(), .dtype = p.dtype()}, products);
}

// {loss, coding length}, {λ, norms}, {sign}, {d/m} in the order of CodingMetric.
Tensor metrics_of(const Expansion& expansion, const Tensor& scale, const CodingOptions& options, const Tensor& p) {
  const auto m = static_cast<double>(options.rows.count(p)), d = static_cast<double>(p.dim(1));
  Tensor metrics({static_cast<int>(CodingMetric::count)}, scale.dtype(), scale.device());
  const Tensor result =
      coding_loss(expansion.traces, scale, {.order = expansion.terms, .rows = m, .width = d, .weight = options.weight});
  metrics.segment(0, {2}).copy_from(result);
  metrics.segment(2, {3}).copy_from(scale);
  if (expansion.sign) metrics.segment(5, {1}).copy_from(expansion.sign);
  else metrics.segment(5, {1}).fill(1.0);
  metrics.segment(6, {1}).fill(d / m);
  return metrics;
}

// This rank's rows of Qᵀ Z, of the (m,m) matrix Q and all rows of Z.
Tensor transposed_product(const Tensor& q, const Tensor& all_z, const BatchRows& rows) {
  return rows.ranks() == 1 ? matmul(q, all_z, {.trans_a = true}) : matmul(rows.own(transpose(q)), all_z);
}

}  // namespace

void check_pair(const Tensor& p, const Tensor& z, const Tensor& lambda, const CodingOptions& options) {
  check<ShapeError>(p && z && p.rank() == 2 && p.shape() == z.shape() && p.numel() > 0,
                    "mec: p and z are matrices of one size (m,d), but got ", p.shape(), " and ", z.shape());
  check<DtypeError>(p.dtype() == z.dtype() && lambda.dtype() == p.dtype(), "mec: p, z and lambda share a dtype, but are ",
                    p.dtype(), ", ", z.dtype(), " and ", lambda.dtype());
  check<ValueError>(options.exact || options.order >= 1, "mec: the order of the series is at least 1, but is ", options.order);
  check<ValueError>(
      !options.symmetrize || options.side != Side::feature,
      "mec: only the batch-wise matrix can be symmetrised, because tr Cᵏ of the two sides then differ; use side batch");
}

double coding_lambda(std::int64_t m, std::int64_t d, double eps2) {
  check<ValueError>(eps2 > 0, "mec: the distortion eps2 is positive, but is ", eps2);
  const double lambda = static_cast<double>(d) / (static_cast<double>(m) * eps2);
  constexpr double kLeast = std::numeric_limits<float>::min(), kMost = std::numeric_limits<float>::max();
  check<ValueError>(fits_f32(lambda), "mec: the distortion eps2 is ", eps2, ", so that lambda, d/(m eps2), is ", lambda,
                    "; it lies between ", kLeast, " and ", kMost, ", as f32 holds it");
  return lambda;
}

Tensor coding_lambda(const Tensor& z, double eps2, const BatchRows& rows) {
  return Tensor::full({1}, coding_lambda(rows.count(z), z.dim(1), eps2), z.dtype(), z.device());
}

NormVectors spectral_norm_vectors(const Tensor& p, const Tensor& z, const Tensor& k, const BatchRows& rows) {
  const auto product = [&](const Tensor& a, const Tensor& b, const Tensor& u) {  // a bᵀ u
    return rows.gather(matmul(a, rows.sum(matmul(b, rows.own(u), {.trans_a = true}))));
  };
  const auto apply = [&](const Tensor& u) { return k ? matmul(k, u) : product(p, z, u); };
  const auto apply_transposed = [&](const Tensor& v) { return k ? matmul(k, v, {.trans_a = true}) : product(z, p, v); };
  Tensor u = random({rows.count(p), 1}, p.dtype(), p.device(),
                    {.seed = 1, .stream = {0, static_cast<std::uint32_t>(Purpose::power_iteration) << 16, 0}});
  Tensor v = apply(u);
  for (int round = 1; round < kNormRounds; ++round) {
    // Scaled to unit length, so that it does not overflow.
    u = normalize_rows(apply_transposed(v).reshape({1, -1})).y.reshape(u.shape());
    v = apply(u);
  }
  return {u, v};
}

PairTerm pair_term(const Tensor& p, const Tensor& z, const Tensor& lambda, const CodingOptions& options, double factor,
                   const CodingNeeds& needs) {
  const BatchRows& rows = options.rows;
  const bool batch_side = choose_batch_side(p, options);
  // Of several ranks, each computes its rows of PZᵀ from all of Z, or its share of the sum ZᵀP.
  const Tensor all_z = batch_side ? rows.gather(z) : Tensor();
  const Tensor k = batch_side ? rows.gather(matmul(p, all_z, {.trans_b = true})) : rows.sum(matmul(z, p, {.trans_a = true}));
  const NormVectors vectors = spectral_norm_vectors(p, z, batch_side ? k : Tensor(), rows);
  const bool adapt = options.adapt && !options.exact && options.order > 1;
  PairTerm out{.expansion = {},
               .scales = coding_scale(lambda, vectors.u, vectors.v, {.adapt = adapt, .limit = kNormLimit}),
               .dp = {},
               .dz = {}};
  const Tensor c = scale(options.symmetrize ? symmetrize(k) : k, out.scales.segment(0, {1}));
  const bool want_gradient = needs.dp || needs.dz;
  out.expansion =
      options.exact ? expand_exact(c, factor, want_gradient) : expand_series(c, options.order, factor, want_gradient);
  const Tensor& q = out.expansion.gradient;
  // Qᵀ Z or Z Qᵀ
  if (needs.dp) out.dp = batch_side ? transposed_product(q, all_z, rows) : matmul(z, q, {.trans_b = true});
  // Q P or P Q
  if (needs.dz) out.dz = batch_side ? matmul(rows.own(q), rows.gather(p)) : matmul(p, q);
  return out;
}

CodingResult coding_length_pair(const Tensor& p, const Tensor& z, const Tensor& lambda, const CodingOptions& options,
                                const CodingNeeds& needs) {
  check_pair(p, z, lambda, options);
  const NormalizedRows P = normalize_rows(p), Z = normalize_rows(z);
  // λ cancels: ∂loss/∂K = −weight/m ∂T/∂C.
  const auto m = static_cast<double>(options.rows.count(p));
  const PairTerm term = pair_term(P.y, Z.y, lambda, options, -options.weight / m, needs);
  CodingResult out{.metrics = metrics_of(term.expansion, term.scales, options, p), .dp = {}, .dz = {}};
  if (needs.dp) out.dp = normalize_rows_grad(P, term.dp);
  if (needs.dz) out.dz = normalize_rows_grad(Z, term.dz);
  return out;
}

}  // namespace mec
