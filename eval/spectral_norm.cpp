#include "mec/eval/spectral_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "mec/tensor/ops.h"

namespace mec {

namespace {

constexpr double kPrecision = 1e-14;  // of the squared norm
constexpr int kSettledRounds = 4;     // rounds without a change, after which it has converged

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Symmetric and tridiagonal.
struct Tridiagonal {
  Vector diagonal, beside;  // beside[i] couples i and i + 1

  // Sturm's count: is some eigenvalue larger than x?
  bool has_eigenvalue_above(double x) const {
    double pivot = 1;
    for (std::size_t i = 0; i < diagonal.size(); ++i) {
      const double coupling = i == 0 ? 0 : beside[i - 1] * beside[i - 1];
      pivot = diagonal[i] - x - coupling / pivot;
      if (pivot > 0) return true;
      if (pivot == 0) pivot = -1e-300;
    }
    return false;
  }

  // By bisection between 0 and Gershgorin's bound; for matrices without negative eigenvalues.
  double largest_eigenvalue() const {
    double low = 0, high = 0;
    for (std::size_t i = 0; i < diagonal.size(); ++i) {
      const double left = i > 0 ? beside[i - 1] : 0, right = i + 1 < diagonal.size() ? beside[i] : 0;
      high = std::max(high, diagonal[i] + std::fabs(left) + std::fabs(right));
    }
    for (int round = 0; round < 200 && high - low > kPrecision * high; ++round) {
      const double middle = (low + high) / 2;
      (has_eigenvalue_above(middle) ? low : high) = middle;
    }
    return high;
  }
};

}  // namespace

double spectral_norm_of_product(const Tensor& p, const Tensor& z) {
  check<ShapeError>(p.rank() == 2 && p.shape() == z.shape() && p.numel() > 0,
                    "spectral norm: p and z are matrices of one size, but got ", p.shape(), " and ", z.shape());
  check<DtypeError>(p.dtype() == Dtype::f64 && z.dtype() == Dtype::f64, "spectral norm: p and z are f64, but are ", p.dtype(),
                    " and ", z.dtype());
  const std::int64_t m = p.dim(0);
  const auto apply = [&](const Vector& u) {  // Z Pᵀ P Zᵀ u
    const Tensor pzu = matmul(p, matmul(z, Tensor::from(u, {m, 1}, p.device()), {.trans_a = true}));
    return matmul(z, matmul(p, pzu, {.trans_a = true})).to_vector<double>();
  };

  std::vector<Vector> basis{random({m}, Dtype::f64, p.device(), {.seed = 1}).to_vector<double>()};
  const double length = std::sqrt(dot(basis[0], basis[0]));
  for (double& v : basis[0]) v /= length;
  Tridiagonal t;
  double norm2 = 0;
  for (int settled = 0; settled < kSettledRounds;) {
    Vector next = apply(basis.back());
    t.diagonal.push_back(dot(next, basis.back()));
    const double before = norm2;
    norm2 = t.largest_eigenvalue();
    settled = norm2 - before <= 10 * kPrecision * norm2 ? settled + 1 : 0;
    for (int pass = 0; pass < 2; ++pass) {  // twice is enough (Parlett)
      for (const Vector& b : basis) {
        const double share = dot(next, b);
        for (std::size_t i = 0; i < next.size(); ++i) next[i] -= share * b[i];
      }
    }
    const double rest = std::sqrt(dot(next, next));
    // No new direction: the basis spans all that iterating from the start can reach, so the norm is
    // exact.
    if (rest <= 1e-13 * norm2 || static_cast<std::int64_t>(basis.size()) == m) break;
    t.beside.push_back(rest);
    for (double& v : next) v /= rest;
    basis.push_back(std::move(next));
  }
  return std::sqrt(norm2);
}

}  // namespace mec
