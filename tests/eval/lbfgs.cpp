#include "mec/eval/lbfgs.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "mec/tensor/error.h"

namespace mec {
namespace {

TEST_CASE("L-BFGS finds the minimum of Rosenbrock's valley") {
  const auto rosenbrock = [](const std::vector<double>& x, std::vector<double>& g) {
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    g = {-2 * a - 400 * x[0] * b, 200 * b};
    return a * a + 100 * b * b;
  };
  const LbfgsResult best = minimize_lbfgs(rosenbrock, {-1.2, 1.0}, {.tolerance = 1e-9});
  CHECK(best.converged);
  CHECK(best.x[0] == doctest::Approx(1).epsilon(1e-8));
  CHECK(best.x[1] == doctest::Approx(1).epsilon(1e-8));
  CHECK(best.iterations < 60);  // a handful of dozens is normal; gradient descent needs thousands
}

TEST_CASE("L-BFGS solves a badly scaled quadratic in far more dimensions than it remembers") {
  constexpr std::size_t n = 100;
  const auto quadratic = [](const std::vector<double>& x, std::vector<double>& g) {
    double value = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double scale = std::pow(10.0, 3.0 * static_cast<double>(i) / (n - 1));  // condition number 1000
      g[i] = scale * (x[i] - 1);
      value += 0.5 * scale * (x[i] - 1) * (x[i] - 1);
    }
    return value;
  };
  const LbfgsResult best = minimize_lbfgs(quadratic, std::vector<double>(n, 0.0), {.tolerance = 1e-8});
  CHECK(best.converged);
  for (const double x : best.x) CHECK(x == doctest::Approx(1).epsilon(1e-7));
}

TEST_CASE("the inverse Hessian as preconditioner leads to the minimum at once") {
  const std::vector<double> curvature{1, 1e3, 1e6};
  const auto quadratic = [&](const std::vector<double>& x, std::vector<double>& g) {
    double value = 0;
    for (std::size_t i = 0; i < 3; ++i) g[i] = curvature[i] * x[i], value += 0.5 * curvature[i] * x[i] * x[i];
    return value;
  };
  const auto inverse = [&](const std::vector<double>& g) { return std::vector<double>{g[0] / 1, g[1] / 1e3, g[2] / 1e6}; };
  const std::vector<double> start{0.5, 0.5, 0.5};  // within the first step's length of 1
  CHECK(minimize_lbfgs(quadratic, start, {.tolerance = 1e-6, .precondition = inverse}).iterations == 1);
  CHECK(minimize_lbfgs(quadratic, start, {.tolerance = 1e-6}).iterations > 5);
}

TEST_CASE("L-BFGS says so when it ran out of iterations") {
  const auto slope = [](const std::vector<double>& x, std::vector<double>& g) {
    g = {std::exp(x[0])};
    return std::exp(x[0]);
  };
  const LbfgsResult best = minimize_lbfgs(slope, {0.0}, {.max_iterations = 3, .tolerance = 0});
  CHECK(best.iterations == 3);
  CHECK_FALSE(best.converged);
}

TEST_CASE("L-BFGS steps back from a region without a value") {
  // −log x + 100x: NaN for x < 0.
  const auto barrier = [](const std::vector<double>& x, std::vector<double>& g) {
    g = {-1 / x[0] + 100};
    return -std::log(x[0]) + 100 * x[0];
  };
  const LbfgsResult best = minimize_lbfgs(barrier, {0.5}, {.tolerance = 1e-8});
  CHECK(best.converged);
  CHECK(best.x[0] == doctest::Approx(0.01).epsilon(1e-8));
  CHECK_THROWS_AS(minimize_lbfgs(barrier, {-1.0}), NumericalError);
}

}  // namespace
}  // namespace mec
