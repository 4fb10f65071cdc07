// Eigenvalues and eigenvectors, against spectra that are known.
#include "mec/tensor/symmetric_eigen.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

namespace {

const Device kDevice = make_cpu_device();

// H D H for the reflection H = I − 2vvᵀ/vᵀv of a random v: its eigenvalues are D's.
std::vector<double> reflected(const std::vector<double>& d, std::uint64_t seed) {
  const auto n = static_cast<std::int64_t>(d.size());
  const Tensor v = random({n, 1}, Dtype::f64, kDevice, {.distribution = Distribution::normal, .seed = seed});
  Tensor h = scale(matmul(v, v, {.trans_b = true}), -2 / sum(square(v)).item());
  std::vector<double> diagonal(d.size() * d.size(), 0.0), identity = diagonal;
  for (std::size_t i = 0; i < d.size(); ++i) diagonal[i * d.size() + i] = d[i], identity[i * d.size() + i] = 1;
  h = add(h, Tensor::from(identity, {n, n}, kDevice));
  return matmul(matmul(h, Tensor::from(diagonal, {n, n}, kDevice)), h).to_vector<double>();
}

// Of n rows each: a·bᵀ where the second is transposed, else a·b.
std::vector<double> product(const std::vector<double>& a, const std::vector<double>& b, std::int64_t n, bool transposed) {
  return matmul(Tensor::from(a, {n, n}, kDevice), Tensor::from(b, {n, n}, kDevice), {.trans_b = transposed})
      .to_vector<double>();
}

}  // namespace

TEST_CASE("eigenvalues and eigenvectors are found, apart, in clusters, equal, negative and zero") {
  std::vector<std::vector<double>> spectra{{3}, {2, -1}, {0, 0}, {5, 5, 5}, {1, 1, 0, 0, -2}, {1e8, 1, 1e-8, -1e8}};
  std::vector<double> falling, clustered;
  for (int i = 0; i < 60; ++i) {
    falling.push_back(std::pow(0.8, i));
    clustered.push_back(i % 3 + 1e-9 * i);
  }
  spectra.push_back(falling);
  spectra.push_back(clustered);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for (std::vector<double> expected : spectra) {
      const auto n = static_cast<std::int64_t>(expected.size());
      const std::vector<double> a = reflected(expected, seed);
      auto found = symmetric_eigenvalues(a, n);
      std::ranges::sort(expected, std::greater<>());
      std::ranges::sort(found, std::greater<>());
      // Rounding, relative to the largest.
      const double largest = std::max(std::fabs(expected.front()), std::fabs(expected.back()));
      for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::fabs(found[i] - expected[i]) <= 1e-13 * largest);

      const SymmetricEigen eigen = symmetric_eigen(a, n);
      CHECK(eigen.values == found);
      const auto gram = product(eigen.vectors, eigen.vectors, n, true);
      const auto turned = product(a, eigen.vectors, n, true);  // column i: a times vector i
      for (std::size_t i = 0; i < expected.size(); ++i) {
        for (std::size_t j = 0; j < expected.size(); ++j) {
          CHECK(std::fabs(gram[i * expected.size() + j] - (i == j ? 1 : 0)) <= 1e-13);
          const double wanted = eigen.values[j] * eigen.vectors[j * expected.size() + i];
          CHECK(std::fabs(turned[i * expected.size() + j] - wanted) <= 1e-13 * largest);
        }
      }
    }
  }
  const auto is_nan = [](const std::vector<double>& all) {
    return std::ranges::all_of(all, [](double x) { return std::isnan(x); });
  };
  CHECK(is_nan(symmetric_eigenvalues({1, NAN, NAN, 1}, 2)));
  CHECK(is_nan(symmetric_eigen({1, NAN, NAN, 1}, 2).vectors));
  CHECK_THROWS_AS(symmetric_eigenvalues({1, 2, 3}, 2), ShapeError);
  CHECK_THROWS_AS(symmetric_eigen({}, 0), ShapeError);
}
