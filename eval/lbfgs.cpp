#include "mec/eval/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "mec/tensor/error.h"

namespace mec {

namespace {

using Vector = std::vector<double>;

constexpr double kDecrease = 1e-4;  // Armijo: share of the linear decrease that a step must reach
constexpr double kCurvature = 0.9;  // Wolfe: the slope must have flattened to this share
constexpr int kMaxTrials = 40;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double largest(const Vector& a) {
  double most = 0;
  for (const double v : a) most = std::max(most, std::fabs(v));
  return most;
}

// a + factor·b
Vector plus(const Vector& a, double factor, const Vector& b) {
  Vector sum(a);
  for (std::size_t i = 0; i < a.size(); ++i) sum[i] += factor * b[i];
  return sum;
}

struct Point {
  Vector x, gradient;
  double value = 0;
};

Point evaluate(const SmoothFunction& function, Vector x) {
  Point point{.x = std::move(x), .gradient = {}, .value = 0};
  point.gradient.resize(point.x.size());
  point.value = function(point.x, point.gradient);
  return point;
}

struct CurvaturePair {
  Vector s, y;  // change of x, change of the gradient
  double rho;   // 1/sᵀy
};

// −H·gradient by the two-loop recursion (algorithm 7.4), H₀ = γM with M the preconditioner and γ =
// sᵀy/yᵀMy of the latest pair.
Vector descent_direction(const Vector& gradient, const std::deque<CurvaturePair>& pairs, const Preconditioner& precondition) {
  const auto apply = [&](const Vector& v) { return precondition ? precondition(v) : v; };
  Vector q = gradient;
  std::vector<double> alpha(pairs.size());
  for (std::size_t i = pairs.size(); i-- > 0;) {
    alpha[i] = pairs[i].rho * dot(pairs[i].s, q);
    q = plus(q, -alpha[i], pairs[i].y);
  }
  q = apply(q);
  // Without a pair yet, a first step of length 1 at most.
  const double scale = pairs.empty() ? -std::min(1.0, 1.0 / std::sqrt(dot(q, q)))
                                     : -1.0 / (pairs.back().rho * dot(pairs.back().y, apply(pairs.back().y)));
  for (double& v : q) v *= scale;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const double beta = pairs[i].rho * dot(pairs[i].y, q);
    q = plus(q, -alpha[i] - beta, pairs[i].s);
  }
  return q;
}

// A point along `direction` that decreases the value enough and has flattened the slope enough;
// false when none was found.
bool line_search(const SmoothFunction& function, const Point& from, const Vector& direction, double noise, Point& found) {
  const double slope = dot(from.gradient, direction);
  double low = 0, high = std::numeric_limits<double>::infinity(), step = 1;
  for (int trial = 0; trial < kMaxTrials; ++trial) {
    found = evaluate(function, plus(from.x, step, direction));
    // Written so that a NaN counts as too far.
    if (!(found.value <= from.value + kDecrease * step * slope + noise * std::fabs(from.value))) high = step;
    else if (dot(found.gradient, direction) < kCurvature * slope) low = step;
    else return true;
    step = std::isinf(high) ? 2 * low : (low + high) / 2;
  }
  return false;
}

}  // namespace

LbfgsResult minimize_lbfgs(const SmoothFunction& function, std::vector<double> start, const LbfgsOptions& options) {
  Point point = evaluate(function, std::move(start));
  check<NumericalError>(std::isfinite(point.value) && std::isfinite(dot(point.gradient, point.gradient)),
                        "lbfgs: value and gradient at the start must be finite, but the value is ", point.value);
  std::deque<CurvaturePair> pairs;
  int iterations = 0;
  while (largest(point.gradient) > options.tolerance && iterations < options.max_iterations) {
    const Vector direction = descent_direction(point.gradient, pairs, options.precondition);
    Point next;
    if (!line_search(function, point, direction, options.value_noise, next)) break;
    ++iterations;
    Vector s = plus(next.x, -1, point.x), y = plus(next.gradient, -1, point.gradient);
    const double curvature = dot(s, y);  // > 0 by the line search, up to rounding
    if (curvature > 0) pairs.push_back({.s = std::move(s), .y = std::move(y), .rho = 1 / curvature});
    if (pairs.size() > static_cast<std::size_t>(options.memory)) pairs.pop_front();
    point = std::move(next);
  }
  const double gradient_norm = largest(point.gradient);
  return {.x = std::move(point.x),
          .value = point.value,
          .gradient_norm = gradient_norm,
          .iterations = iterations,
          .converged = gradient_norm <= options.tolerance};
}

}  // namespace mec
