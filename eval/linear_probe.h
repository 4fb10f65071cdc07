// Linear probe: multinomial logistic regression on frozen features, trained to convergence.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mec/eval/features.h"
#include "mec/tensor/ops/batch_norm.h"

namespace mec {

// What scikit-learn's make_pipeline(StandardScaler(), LogisticRegression(C)) minimises: Σ_i loss_i
// + ‖W‖²/(2C) over standardised features, the intercepts unpenalised. The tolerance is on the
// largest entry of that gradient divided by the number of rows.
struct LinearProbeOptions {
  double c = 1.0;
  double tolerance = 1e-4;
  int max_iterations = 1000;
  std::function<void()> at_work = {};  // called between pieces of the work; it may throw
};

// "logistic regression, C = 1, standardised features".
std::string describe(const LinearProbeOptions& options);

struct LinearProbe {
  BatchNormStatistics scaling;  // (d) each, of the training features
  Tensor weight;                // (d,K)
  Tensor bias;                  // (K)
  int iterations = 0;
  double gradient_norm = 0;
  bool converged = false;
};

// L-BFGS from zero, so the result depends on nothing but the features. ValueError without labels,
// for a single class or C ≤ 0; NumericalError for features that are not finite.
LinearProbe fit_linear_probe(const Features& train, const LinearProbeOptions& options = {});

// The most probable class of each row of x (M,d); of equally probable ones the lowest. ShapeError
// for another width.
std::vector<std::int32_t> classify(const LinearProbe& probe, const Tensor& x);

}  // namespace mec
