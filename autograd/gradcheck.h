// Checks a backward rule against central differences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mec/autograd/variable.h"

namespace mec {

struct GradcheckOptions {
  double step = 1e-6;
  // Largest allowed |analytic − numeric| / max(1, |numeric|). It covers the rounding error of f64
  // divided by the step, and the truncation error, which is of the order of the step's square.
  double tolerance = 1e-6;
  // Seeds the random cotangent. A cotangent of ones would let a rule with a transposed gradient
  // pass.
  std::uint64_t seed = 1;
};

struct GradcheckResult {
  bool ok = false;
  double worst = 0;     // the largest relative difference; NaN or infinite where a value is
  std::string message;  // names input and element of the worst difference
};

// f maps variables to one variable and is differentiable at the inputs. Every element of every
// input is perturbed. DtypeError for inputs that are not f64.
GradcheckResult gradcheck(const std::function<Variable(const std::vector<Variable>&)>& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

}  // namespace mec
