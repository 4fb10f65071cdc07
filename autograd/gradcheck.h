// Checks a backward rule against central differences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mec/autograd/variable.h"

namespace mec {

struct GradcheckOptions {
  double step = 1e-6;
  // On |analytic − numeric| / max(1, |numeric|): the rounding of f64 over the step, and the square
  // of the step.
  double tolerance = 1e-6;
  // Of the random cotangent; an all-ones one would let a transposed rule pass.
  std::uint64_t seed = 1;
};

struct GradcheckResult {
  bool ok = false;
  double worst = 0;     // the largest relative difference; not finite when a value was
  std::string message;  // names input and element of the worst difference
};

// f maps variables to one variable; inputs are f64 leaves, away from kinks. Every element of every
// input is moved. DtypeError for inputs that are not f64.
GradcheckResult gradcheck(const std::function<Variable(const std::vector<Variable>&)>& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

}  // namespace mec
