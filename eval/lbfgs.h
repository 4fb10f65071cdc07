// L-BFGS: minimises a smooth function of many variables, given its value and gradient.
#pragma once

#include <functional>
#include <vector>

namespace mec {

// The value at x; writes the gradient, which has x's size.
using SmoothFunction = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

// Maps a gradient to a step's direction, up to sign and length: a fixed positive definite guess of
// the inverse Hessian.
using Preconditioner = std::function<std::vector<double>(const std::vector<double>& gradient)>;

struct LbfgsOptions {
  int memory = 10;  // curvature pairs kept
  int max_iterations = 1000;
  double tolerance = 1e-5;           // converged when the largest |gradient| entry is at most this
  // Relative rounding error of the value: a step is accepted though the value rises by so much.
  double value_noise = 0;
  Preconditioner precondition = {};  // none: the identity
};

struct LbfgsResult {
  std::vector<double> x;
  double value = 0;
  double gradient_norm = 0;  // largest entry
  int iterations = 0;
  bool converged = false;  // false: out of iterations, or no step lowered the value further
};

// Nocedal & Wright, "Numerical Optimization" (2006), algorithm 7.5, with the weak-Wolfe line search
// by bisection of Lewis & Overton (2013, algorithm 2.6). NumericalError when value or gradient at
// the start is not finite.
LbfgsResult minimize_lbfgs(const SmoothFunction& function, std::vector<double> start, const LbfgsOptions& options = {});

}  // namespace mec
