// KL(f ‖ g) between Gaussian mixtures, which has no closed form: estimates, bounds, and Monte Carlo
// to check them. On the host, f64.
//
// With π_a, f_a of f and ω_b, g_b of g; H_a the entropy of f_a; z_aα = ∫ f_a f_α, t_ab = ∫ f_a g_b:
//   variational  Σ_a π_a log [Σ_α π_α e^{−KL(f_a‖f_α)} / Σ_b ω_b e^{−KL(f_a‖g_b)}]
//   product      Σ_a π_a log [Σ_α π_α z_aα / Σ_b ω_b t_ab]
//   lower        Σ_a π_a {log [Σ_α π_α e^{−KL(f_a‖f_α)} / Σ_b ω_b t_ab] − H_a}
//   upper        Σ_a π_a {log [Σ_α π_α z_aα / Σ_b ω_b e^{−KL(f_a‖g_b)}] + H_a}
// Sources: Hershey & Olsen, "Approximating the Kullback Leibler Divergence Between Gaussian Mixture
// Models", ICASSP 2007 (the first two, section 8's upper bound); Durrieu, Thiran & Kelly, "Lower
// and upper bounds for approximation of the Kullback-Leibler divergence between Gaussian mixture
// models", ICASSP 2012 (the last two). Why they are bounds: docs/coding.md. lower ≤ KL ≤ upper and
// KL ≤ variational_upper always, and (lower + upper)/2 = (variational + product)/2. The first two
// may be negative; the variational one is exact for two single Gaussians, and 0 for f = g.
#pragma once

#include "mec/ssl/losses/gaussian_mixture.h"

namespace mec {

struct MixtureKl {
  double variational = 0, product = 0, lower = 0, upper = 0;
};
MixtureKl mixture_kl(const GaussianMixture& f, const GaussianMixture& g);  // ShapeError for two widths

// Hershey & Olsen's variational upper bound after `rounds` updates. Each update lowers it, never
// below KL(f ‖ g).
double variational_upper_kl(const GaussianMixture& f, const GaussianMixture& g, int rounds = 10);

struct MonteCarloKl {
  double value = 0;
  double standard_error = 0;
};
// The mean of log f(x)/g(x) over x drawn from f. The same numbers for the same seed. ValueError
// unless there are 2 to 2³² samples.
MonteCarloKl monte_carlo_kl(const GaussianMixture& f, const GaussianMixture& g, std::int64_t samples, std::uint64_t seed = 0);

}  // namespace mec
