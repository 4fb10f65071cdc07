// What the tests of ssl/coding share.
#pragma once

#include <algorithm>
#include <cmath>

#include "mec/autograd/gradcheck.h"
#include "mec/ssl/losses/mixture.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec::test {

// Rounding of sums of about 10⁴ terms of size 1 in f64.
constexpr double kRounding = 1e-12;

inline Tensor normal(const Shape& shape, std::uint64_t seed, const Device& device) {
  return random(shape, Dtype::f64, device, {.seed = seed});
}

inline Tensor lambda_of(const Tensor& z, double eps2) { return coding_lambda(z, eps2); }

inline double largest_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::fabs(x[i] - y[i]));
  return worst;
}

struct Sizes {
  std::int64_t m, d;
};

// Random soft memberships: softmax of normal numbers.
inline Tensor random_weights(std::int64_t m, std::int64_t k, std::uint64_t seed, const Device& device) {
  return prototype_memberships(normal({m, 5}, seed, device), normal({k, 5}, seed + 1, device), 0.5);
}

// A function of z, with the gradient that it returns, against central differences.
struct ValueAndGradient {
  Tensor value, gradient;
};
template <class F> GradcheckResult check_gradient(const F& f, const Tensor& z) {
  return gradcheck(
      [&](const std::vector<Variable>& x) {
        const ValueAndGradient at = f(x[0].data());
        return record("coding", at.value, x,
                      [at](const Tensor& dy, const Needs&) -> Grads { return {scale(at.gradient, dy)}; });
      },
      {z});
}

}  // namespace mec::test
