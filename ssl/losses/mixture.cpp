#include "mec/ssl/losses/mixture.h"

#include "mec/tensor/ops.h"

namespace mec {

namespace {

// As a component empties, α_j Π_j stays bounded, but at size 0 it would be 0/0. So divisors are at
// least a millionth of a vector.
constexpr double kLeastSize = 1e-6;

// (k) each: the factors of the components' terms.
struct Factors {
  Tensor alpha;   // λ m/tr Π_j
  Tensor weight;  // (tr Π_j + d)/2 or tr Π_j/(2m)
  Tensor size;    // tr Π_j, at least kLeastSize
};

Factors make_factors(const Memberships& memberships, std::int64_t d, const Tensor& lambda, MixtureForm form) {
  const Tensor& sizes = memberships.sizes();
  const auto constant = [&](double value) { return Tensor::full(sizes.shape(), value, sizes.dtype(), sizes.device()); };
  const double m = static_cast<double>(memberships.rows());
  Factors out;
  out.size = add(relu(add(sizes, constant(-kLeastSize))), constant(kLeastSize));
  out.alpha = scale(div(constant(m), out.size), lambda);
  out.weight = form == MixtureForm::finite ? scale(add(sizes, constant(static_cast<double>(d))), 0.5) : scale(sizes, 0.5 / m);
  return out;
}

// Σ_j tr Π_j · log(m/tr Π_j), divided by m in the limit form.
Tensor membership_term(const Memberships& memberships, const Factors& factors, MixtureForm form) {
  const Tensor& sizes = memberships.sizes();
  const double m = static_cast<double>(memberships.rows());
  const Tensor total = Tensor::full(sizes.shape(), m, sizes.dtype(), sizes.device());
  const Tensor term = sum(mul(sizes, log(div(total, factors.size)))).reshape({1});
  return form == MixtureForm::finite ? term : scale(term, 1 / m);
}

void check_input(const char* op, const Tensor& z, const Memberships& memberships) {
  check<ShapeError>(memberships.rows() == z.dim(0), op, ": ", z.dim(0), " vectors, but memberships of ", memberships.rows());
  check<DtypeError>(memberships.sizes().dtype() == z.dtype(), op, ": vectors and memberships share a dtype, but are ",
                    z.dtype(), " and ", memberships.sizes().dtype());
}

}  // namespace

MixtureResult mixture_coding_length(const Tensor& z, const Memberships& memberships, const Tensor& lambda,
                                    const MixtureOptions& options, bool want_gradient) {
  check_length_input("mixture coding length", z, lambda, options.length);
  check_input("mixture coding length", z, memberships);
  const NormalizedRows unit = options.length.normalize ? normalize_rows(z) : NormalizedRows{z, {}};
  const Factors factors = make_factors(memberships, z.dim(1), lambda, options.form);
  const Tensor membership = membership_term(memberships, factors, options.form);
  MixtureResult out{.length = options.membership_term ? membership.clone() : Tensor::zeros({1}, z.dtype(), z.device()),
                    .membership = membership,
                    .dz = {},
                    .norms = Tensor::zeros({memberships.components()}, z.dtype(), z.device()),
                    .converges = Tensor::full({memberships.components()}, 1.0, z.dtype(), z.device())};
  std::vector<Tensor> parts = memberships.split(unit.y);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i]) continue;
    const auto j = static_cast<std::int64_t>(i);
    const Tensor weight = factors.weight.segment(j, {1});
    const GramTerm term = gram_term(parts[i], factors.alpha.segment(j, {1}), options.length, want_gradient);
    add_into(mul(term.value, weight), out.length);
    out.norms.segment(j, {1}).copy_from(term.norm);
    out.converges.segment(j, {1}).copy_from(term.converges);
    parts[i] = want_gradient ? scale(term.da, weight) : Tensor();
  }
  if (!want_gradient) return out;
  out.dz = memberships.join(parts);
  if (options.length.normalize) out.dz = normalize_rows_grad(unit, out.dz);
  return out;
}

MixturePair mixture_pair(const Tensor& p, const Tensor& z, const Memberships& memberships, const Tensor& lambda,
                         const MixturePairOptions& options, const CodingNeeds& needs) {
  check_pair(p, z, lambda, options.pair);
  check_input("mixture coding length", z, memberships);
  const NormalizedRows P = normalize_rows(p), Z = normalize_rows(z);
  const std::int64_t k = memberships.components(), d = p.dim(1), fixed = static_cast<std::int64_t>(MixtureMetric::count);
  const Factors factors = make_factors(memberships, d, lambda, options.form);
  // w_j/tr Π_j with w_j = weight_j/whole, where `whole` is the factor of a single component.
  const double whole = options.form == MixtureForm::finite ? static_cast<double>(p.dim(0) + d) / 2 : 0.5;
  const Tensor shares = scale(div(factors.weight, factors.size), options.pair.weight / whole);

  MixturePair out{.metrics = Tensor::zeros({fixed + 2 * k}, p.dtype(), p.device()), .dp = {}, .dz = {}};
  const Tensor loss = out.metrics.segment(0, {1}), length = out.metrics.segment(1, {1});
  out.metrics.segment(2, {1}).copy_from(membership_term(memberships, factors, options.form));
  out.metrics.segment(fixed + k, {k}).fill(1.0);
  std::vector<Tensor> dp = memberships.split(P.y), dz = memberships.split(Z.y);
  for (std::size_t i = 0; i < dp.size(); ++i) {
    if (!dp[i]) continue;
    const auto j = static_cast<std::int64_t>(i);
    const PairTerm term = pair_term(dp[i], dz[i], factors.alpha.segment(j, {1}), options.pair, -1.0, needs);
    // {−T/α, T}
    const Tensor values = coding_loss(term.expansion.traces, term.scales, {.order = term.expansion.terms});
    const Tensor share = shares.segment(j, {1});
    add_into(mul(values.segment(0, {1}), share), loss);
    add_into(scale(mul(values.segment(1, {1}), factors.weight.segment(j, {1})), options.pair.weight), length);
    out.metrics.segment(fixed + j, {1}).copy_from(term.scales.segment(1, {1}));
    if (term.expansion.sign) out.metrics.segment(fixed + k + j, {1}).copy_from(term.expansion.sign);
    if (needs.dp) dp[i] = scale(term.dp, share);
    if (needs.dz) dz[i] = scale(term.dz, share);
  }
  if (needs.dp) out.dp = normalize_rows_grad(P, memberships.join(dp));
  if (needs.dz) out.dz = normalize_rows_grad(Z, memberships.join(dz));
  return out;
}

}  // namespace mec
