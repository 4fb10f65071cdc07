#include "mec/ssl/losses/gaussian_mixture_kl.h"

#include <cmath>

namespace mec {

namespace {

void check_widths(const GaussianMixture& f, const GaussianMixture& g) {
  check<ShapeError>(f.width() == g.width(), "mixture KL: both mixtures live in one space, but have widths ", f.width(), " and ",
                    g.width());
}

// log Σ_b ω_b e^{terms_b} for one component of f, where term(b) is −KL or the log of an overlap.
template <class Term> double log_mixture(const GaussianMixture& g, const Term& term) {
  std::vector<double> logs(g.size());
  for (std::size_t b = 0; b < g.size(); ++b) logs[b] = std::log(g.weight(b)) + term(b);
  return log_sum_exp(logs);
}

// Σ φ (log φ/ψ + KL), where 0 log 0 = 0.
double bound(const std::vector<double>& log_phi, const std::vector<double>& log_psi, const std::vector<double>& kl) {
  double sum = 0;
  for (std::size_t i = 0; i < kl.size(); ++i) {
    if (!std::isinf(log_phi[i])) sum += std::exp(log_phi[i]) * (log_phi[i] - log_psi[i] + kl[i]);
  }
  return sum;
}

}  // namespace

MixtureKl mixture_kl(const GaussianMixture& f, const GaussianMixture& g) {
  check_widths(f, g);
  MixtureKl out;
  for (std::size_t a = 0; a < f.size(); ++a) {
    if (f.weight(a) == 0) continue;
    const double entropy = gaussian_entropy(f, a);
    const double near_f = log_mixture(f, [&](std::size_t b) { return -gaussian_kl(f, a, f, b); });
    const double near_g = log_mixture(g, [&](std::size_t b) { return -gaussian_kl(f, a, g, b); });
    const double over_f = log_mixture(f, [&](std::size_t b) { return log_overlap(f, a, f, b); });
    const double over_g = log_mixture(g, [&](std::size_t b) { return log_overlap(f, a, g, b); });
    out.variational += f.weight(a) * (near_f - near_g);
    out.product += f.weight(a) * (over_f - over_g);
    out.lower += f.weight(a) * (near_f - over_g - entropy);
    out.upper += f.weight(a) * (over_f - near_g + entropy);
  }
  return out;
}

// φ_ab and ψ_ab split the weights π_a and ω_b over the pairs; each update is the best φ for ψ, or ψ
// for φ (equations 23 and 24). In logarithms, since e^{−KL} underflows.
double variational_upper_kl(const GaussianMixture& f, const GaussianMixture& g, int rounds) {
  check_widths(f, g);
  check<ValueError>(rounds >= 0, "mixture KL: rounds are not negative, but are ", rounds);
  const std::size_t A = f.size(), B = g.size();
  std::vector<double> kl(A * B), log_phi(A * B), log_psi(A * B), line;
  for (std::size_t a = 0; a < A; ++a) {
    for (std::size_t b = 0; b < B; ++b) {
      kl[a * B + b] = gaussian_kl(f, a, g, b);
      log_phi[a * B + b] = log_psi[a * B + b] = std::log(f.weight(a)) + std::log(g.weight(b));
    }
  }
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t b = 0; b < B; ++b) {  // ψ_ab = ω_b φ_ab / Σ_a' φ_a'b
      line.clear();
      for (std::size_t a = 0; a < A; ++a) line.push_back(log_phi[a * B + b]);
      const double total = log_sum_exp(line);
      if (std::isinf(total)) continue;
      for (std::size_t a = 0; a < A; ++a) log_psi[a * B + b] = std::log(g.weight(b)) + line[a] - total;
    }
    for (std::size_t a = 0; a < A; ++a) {  // φ_ab = π_a ψ_ab e^{−KL_ab} / Σ_b' ψ_ab' e^{−KL_ab'}
      line.clear();
      for (std::size_t b = 0; b < B; ++b) line.push_back(log_psi[a * B + b] - kl[a * B + b]);
      const double total = log_sum_exp(line);
      if (std::isinf(total)) continue;
      for (std::size_t b = 0; b < B; ++b) log_phi[a * B + b] = std::log(f.weight(a)) + line[b] - total;
    }
  }
  return bound(log_phi, log_psi, kl);
}

MonteCarloKl monte_carlo_kl(const GaussianMixture& f, const GaussianMixture& g, std::int64_t samples, std::uint64_t seed) {
  check_widths(f, g);
  check<ValueError>(samples >= 2 && samples <= std::int64_t{1} << 32,
                    "mixture KL: Monte Carlo takes 2 to 2^32 samples, but got ", samples);
  double mean = 0, squares = 0;  // Welford's running mean and sum of squared deviations
  for (std::int64_t i = 0; i < samples; ++i) {
    const std::vector<double> x = f.draw(seed, static_cast<std::uint32_t>(i));
    const double ratio = f.log_density(x) - g.log_density(x), before = ratio - mean;
    mean += before / static_cast<double>(i + 1);
    squares += before * (ratio - mean);
  }
  const auto n = static_cast<double>(samples);
  return {.value = mean, .standard_error = std::sqrt(squares / (n - 1) / n)};
}

}  // namespace mec
