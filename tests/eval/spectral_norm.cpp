#include "mec/eval/spectral_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {
namespace {

// Diagonal matrices: the products of their entries are the singular values.
double norm_of_diagonal(const std::vector<double>& p, const std::vector<double>& z, std::int64_t width) {
  const Device device = make_reference_device();
  const auto m = static_cast<std::int64_t>(p.size());
  const auto diagonal = [&](const std::vector<double>& entries) {
    std::vector<double> values(static_cast<std::size_t>(m * width), 0.0);
    for (std::int64_t i = 0; i < std::min(m, width); ++i)
      values[static_cast<std::size_t>(i * width + i)] = entries[static_cast<std::size_t>(i)];
    return Tensor::from(values, {m, width}, device);
  };
  return spectral_norm_of_product(diagonal(p), diagonal(z));
}

TEST_CASE("the spectral norm of a known matrix is exact") {
  CHECK(norm_of_diagonal({3, -2, 1}, {1, 2, 1}, 3) == doctest::Approx(4).epsilon(1e-12));
  CHECK(norm_of_diagonal({-5}, {1}, 4) == doctest::Approx(5).epsilon(1e-12));
  // m > d: the last entry falls off.
  CHECK(norm_of_diagonal({1, 2, 7}, {1, 2, 7}, 2) == doctest::Approx(4).epsilon(1e-12));
}

TEST_CASE("singular values that crowd below the largest do not blur the norm") {
  std::vector<double> p(60), z(60, 1.0);
  // Power iteration would need 10⁵ rounds.
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = 1 - 1e-4 * static_cast<double>(i);
  CHECK(norm_of_diagonal(p, z, 60) == doctest::Approx(1).epsilon(1e-11));
}

TEST_CASE("equal singular values, and none but zeros, have a norm too") {
  CHECK(norm_of_diagonal(std::vector<double>(20, 2.0), std::vector<double>(20, 1.5), 20) == doctest::Approx(3).epsilon(1e-12));
  CHECK(norm_of_diagonal({0, 0}, {0, 0}, 2) == 0);
}

TEST_CASE("the spectral norm agrees with the trace of a high power of the Gram matrix") {
  const Device device = make_reference_device();
  const Tensor p = random({12, 30}, Dtype::f64, device, {.seed = 3}), z = random({12, 30}, Dtype::f64, device, {.seed = 4});
  const Tensor k = matmul(p, z, {.trans_b = true});
  Tensor gram = matmul(k, k, {.trans_b = true});
  double log_scale = 0;  // gram = e^log_scale · (KKᵀ)^(2^r) after r squarings
  for (int r = 0; r < 30; ++r) {
    const double size = std::sqrt(sum(mul(gram, gram)).item());
    log_scale = 2 * (log_scale + std::log(size));
    gram = scale(gram, 1 / size);
    gram = matmul(gram, gram);
  }
  const double trace = power_traces({gram}, 1).item();
  const double norm2 = std::exp((std::log(trace) + log_scale) / std::pow(2.0, 30));
  // 30 squarings leave log(12)/2³⁰.
  CHECK(spectral_norm_of_product(p, z) == doctest::Approx(std::sqrt(norm2)).epsilon(1e-7));
}

TEST_CASE("the spectral norm refuses what is not two f64 matrices of one size") {
  const Device device = make_reference_device();
  const Tensor p = Tensor::zeros({2, 3}, Dtype::f64, device);
  CHECK_THROWS_AS(spectral_norm_of_product(p, Tensor::zeros({3, 3}, Dtype::f64, device)), ShapeError);
  CHECK_THROWS_AS(spectral_norm_of_product(p.to(Dtype::f32), p.to(Dtype::f32)), DtypeError);
}

}  // namespace
}  // namespace mec
