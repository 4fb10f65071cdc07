// t-SNE: shows features as points of the plane, so that neighbours stay neighbours (van der Maaten
// & Hinton, "Visualizing Data using t-SNE", JMLR 2008).
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

// scikit-learn's defaults.
struct TsneOptions {
  double perplexity = 30;    // effective number of neighbours, below N
  int iterations = 1000;     // in all
  int exaggerated = 250;     // the first ones, in which clusters form
  double exaggeration = 12;  // of p in these
  double learning_rate = 0;  // 0: max(N/exaggeration/4, 50) (Belkina et al. 2019)
};

// ValueError for an option out of range, such as a perplexity outside [1, points − 1); ShapeError
// below three points.
void validate(const TsneOptions& options, std::int64_t points);

// p (N,N) of the features x (N,d): f64, symmetric, zeros on the diagonal, of sum 1. p_ij = (p_{j|i}
// + p_{i|j})/2N, and each row p_{j|i} ∝ exp(−β_i ‖x_i − x_j‖²) has the given perplexity
// exp(entropy). In a row with more equally near neighbours than that, these share p evenly.
// ShapeError unless x is a matrix, errors of validate(), NumericalError when x is not finite.
Tensor tsne_affinities(const Tensor& x, double perplexity);

// KL(p‖q) in nats of points y (N,2) with q_ij ∝ 1/(1 + ‖y_i − y_j‖²), in f64; and its gradient
// (N,2), of p's dtype.
double tsne_divergence(const Tensor& p, const Tensor& y);
Tensor tsne_gradient(const Tensor& p, const Tensor& y);

struct Tsne {
  Tensor y;  // (N,2) f32
  double kl = 0;
};
// Exact: time and memory grow with N² (16 N² bytes: 0.4 GB for N = 5000). Gradient descent with
// momentum and gains as in scikit-learn, from the first two principal components scaled to a
// standard deviation of 1e-4; nothing is random. ValueError for options out of range.
Tsne fit_tsne(const Tensor& x, const TsneOptions& options = {});

}  // namespace mec
