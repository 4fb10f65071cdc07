#include "mec/ssl/coding.h"

#include "mec/tensor/ops.h"
#include "mec/tensor/philox.h"

namespace mec {

namespace {

// After r rounds a singular value g times the largest still weighs g^{4r−4} as much. With 2,000 of them at the worst g, 0.89, and a start
// that holds a tenth of its fair share of the largest, 20 rounds leave an estimate of 0.92 of the norm.
constexpr int kNormRounds = 20;
constexpr double kNormLimit = 0.9;

double sign_of_power(std::int64_t k) { return k % 2 == 0 ? 1.0 : -1.0; }

// T and the matrix Q with ∂T/∂C = Qᵀ, the latter scaled by `factor`.
struct Expansion {
  Tensor traces;  // T is their alternating sum, or the single log|det|
  std::int64_t terms = 1;
  Tensor sign;      // (1), of det(I + C); undefined for a series
  Tensor gradient;  // factor·Q
};

// Q = Σ_{k<n} (−C)ᵏ. With h = ⌈n/2⌉ powers at hand from the traces, Q = B₀ + B₁Cʰ needs one more product:
// for n = 4, (I − C) + (I − C)C².
Expansion expand_series(const Tensor& c, std::int64_t order, double factor, bool want_gradient) {
  const std::int64_t h = (order + 1) / 2;
  std::vector<Tensor> powers{c};
  for (std::int64_t k = 2; k <= h; ++k) powers.push_back(matmul(powers.back(), c));
  Expansion out{.traces = power_traces(powers, order), .terms = order, .sign = {}, .gradient = {}};
  if (!want_gradient) return out;

  const auto alternating = [&](std::int64_t first, std::int64_t count) {  // factor·Σ_{j<count} (−1)^{first+j} Cʲ
    std::vector<double> coefficients(powers.size() + 1, 0.0);
    for (std::int64_t j = 0; j < count; ++j) coefficients[static_cast<std::size_t>(j)] = factor * sign_of_power(first + j);
    return matrix_polynomial(powers, coefficients);
  };
  if (order <= h + 1) {  // degree n − 1 lies within the powers
    out.gradient = alternating(0, order);
  } else {
    out.gradient = alternating(0, h);
    matmul_into(alternating(h, order - h), powers.back(), out.gradient, {.accumulate = true});
  }
  return out;
}

// ∂ log det(I + C)/∂C = (I + C)⁻ᵀ.
Expansion expand_exact(const Tensor& c, double factor, bool want_gradient) {
  const Lu factors = lu(matrix_polynomial({c}, {1.0, 1.0}));
  Expansion out{.traces = factors.log_det, .terms = 1, .sign = factors.log_det.slice(1, {1}), .gradient = {}};
  if (want_gradient) out.gradient = scale(lu_inverse(factors), factor);
  return out;
}

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

bool choose_batch_side(const Tensor& p, const CodingOptions& options) {
  if (options.symmetrize || options.side == Side::batch) return true;
  return options.side == Side::automatic && p.dim(0) <= p.dim(1);
}

// {loss, coding length}, {λ, norms}, {sign}, {d/m} in the order of CodingRecord.
Tensor make_record(const Expansion& expansion, const Tensor& scale, const CodingOptions& options, const Shape& p) {
  Tensor record({static_cast<int>(CodingRecord::count)}, scale.dtype(), scale.device());
  const Tensor result = coding_loss(expansion.traces, scale,
                                    {.order = expansion.terms,
                                     .rows = static_cast<double>(p[0]),
                                     .width = static_cast<double>(p[1]),
                                     .weight = options.weight});
  record.slice(0, {2}).copy_from(result);
  record.slice(2, {3}).copy_from(scale);
  if (expansion.sign) record.slice(5, {1}).copy_from(expansion.sign);
  else record.slice(5, {1}).fill(1.0);
  record.slice(6, {1}).fill(static_cast<double>(p[1]) / static_cast<double>(p[0]));
  return record;
}

}  // namespace

double coding_lambda(std::int64_t m, std::int64_t d, double eps2) {
  check<ValueError>(eps2 > 0, "mec: the distortion eps2 is positive, but is ", eps2);
  return static_cast<double>(d) / (static_cast<double>(m) * eps2);
}

NormVectors spectral_norm_vectors(const Tensor& p, const Tensor& z, const Tensor& k) {
  const auto apply = [&](const Tensor& u) { return k ? matmul(k, u) : matmul(p, matmul(z, u, {.trans_a = true})); };
  const auto apply_transposed = [&](const Tensor& v) {
    return k ? matmul(k, v, {.trans_a = true}) : matmul(z, matmul(p, v, {.trans_a = true}));
  };
  Tensor u = random({p.dim(0), 1}, p.dtype(), p.device(),
                    {.seed = 1, .stream = {0, static_cast<std::uint32_t>(Purpose::power_iteration) << 16, 0}});
  Tensor v = apply(u);
  for (int round = 1; round < kNormRounds; ++round) {
    u = normalize_rows(apply_transposed(v).reshape({1, -1})).y.reshape(u.shape());  // unit length keeps it from overflowing
    v = apply(u);
  }
  return {u, v};
}

CodingResult coding_length_pair(const Tensor& p, const Tensor& z, const Tensor& lambda, const CodingOptions& options,
                                const CodingNeeds& needs) {
  check_pair(p, z, lambda, options);
  const bool batch_side = choose_batch_side(p, options);
  const NormalizedRows P = normalize_rows(p), Z = normalize_rows(z);

  const Tensor k = batch_side ? matmul(P.y, Z.y, {.trans_b = true}) : matmul(Z.y, P.y, {.trans_a = true});
  const NormVectors vectors = spectral_norm_vectors(P.y, Z.y, batch_side ? k : Tensor());
  const bool adapt = options.adapt && !options.exact && options.order > 1;
  const Tensor scales = coding_scale(lambda, vectors.u, vectors.v, {.adapt = adapt, .limit = kNormLimit});
  const Tensor c = scale(options.symmetrize ? symmetrize(k) : k, scales.slice(0, {1}));

  // λ cancels: ∂loss/∂K = −weight/m ∂T/∂C, which is Qᵀ·factor.
  const double factor = -options.weight / static_cast<double>(p.dim(0));
  const bool want_gradient = needs.dp || needs.dz;
  const Expansion expansion =
      options.exact ? expand_exact(c, factor, want_gradient) : expand_series(c, options.order, factor, want_gradient);
  CodingResult out{.record = make_record(expansion, scales, options, p.shape()), .dp = {}, .dz = {}};
  const Tensor& q = expansion.gradient;
  if (needs.dp) {  // batch: dP = Qᵀ Z; feature: dP = Z Qᵀ
    out.dp = normalize_rows_grad(P, batch_side ? matmul(q, Z.y, {.trans_a = true}) : matmul(Z.y, q, {.trans_b = true}));
  }
  if (needs.dz) {  // batch: dZ = Q P; feature: dZ = P Q
    out.dz = normalize_rows_grad(Z, batch_side ? matmul(q, P.y) : matmul(P.y, q));
  }
  return out;
}

}  // namespace mec
