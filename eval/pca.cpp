#include "mec/eval/pca.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/ops.h"
#include "mec/tensor/symmetric_eigen.h"

namespace mec {

namespace {

using Vector = std::vector<double>;

// Extra directions in the iteration: with them the wanted ones converge sooner.
constexpr std::int64_t kSpare = 8;
// A variance has converged when it changes by no more than this, relative to the largest.
constexpr double kPrecision = 1e-11;
constexpr int kMaxRounds = 500;

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Makes the rows (k,d) orthonormal, by two passes of Gram–Schmidt. A row that depends on those
// before it is replaced by a random one.
void orthonormalize(Vector& rows, std::int64_t k, std::int64_t d) {
  RandomStream random(0, 0, 0, Purpose::power_iteration, 1);
  for (std::int64_t r = 0; r < k; ++r) {
    double* const row = rows.data() + r * d;
    for (int pass = 0; pass < 2;) {
      const double before = std::sqrt(dot(row, row, d));
      for (std::int64_t other = 0; other < r; ++other) {
        const double share = dot(row, rows.data() + other * d, d);
        for (std::int64_t i = 0; i < d; ++i) row[i] -= share * rows.data()[other * d + i];
      }
      const double rest = std::sqrt(dot(row, row, d));
      if (rest > 1e-12 * before) {
        for (std::int64_t i = 0; i < d; ++i) row[i] /= rest;
        ++pass;
      } else {
        for (std::int64_t i = 0; i < d; ++i) row[i] = random.normal();
        pass = 0;
      }
    }
  }
}

// A component and its negative are equally good: with a fixed sign, pictures are never mirrored.
void fix_signs(Vector& rows, std::int64_t k, std::int64_t d) {
  for (std::int64_t r = 0; r < k; ++r) {
    const auto row = std::span(rows).subspan(static_cast<std::size_t>(r * d), static_cast<std::size_t>(d));
    const double largest = *std::ranges::max_element(row, {}, [](double v) { return std::fabs(v); });
    if (largest < 0) std::ranges::transform(row, row.begin(), std::negate<>());
  }
}

}  // namespace

Pca fit_pca(const Tensor& x, std::int64_t k) {
  check<ShapeError>(x && x.rank() == 2 && x.dim(0) >= 2, "pca: the features are a matrix of two rows or more, but are ",
                    x ? concat(x.shape()) : "undefined");
  const std::int64_t n = x.dim(0), d = x.dim(1), follow = std::min(k + kSpare, d);
  check<ValueError>(k >= 1 && k <= d, "pca: the number of components lies between 1 and the width ", d, ", but is ", k);
  check<NumericalError>(all_finite(x).item() == 1, "pca: the features must be finite, but some are not");
  const Tensor wide = x.to(Dtype::f64), mean = batch_norm_statistics(wide).mean, rows = sub(wide, mean);

  Vector basis = random({follow, d}, Dtype::f64, x.device(), {.seed = 1}).to_vector<double>();
  orthonormalize(basis, follow, d);
  Vector variances(static_cast<std::size_t>(follow), 0.0);
  for (int round = 0, settled = 0; round < kMaxRounds && settled < 2; ++round) {
    const Tensor directions = Tensor::from(basis, {follow, d}, x.device());
    const Tensor scores = matmul(rows, directions, {.trans_b = true});  // (N,follow)
    const Tensor gram = scale(matmul(scores, scores, {.trans_a = true}), 1.0 / static_cast<double>(n - 1));
    // Rayleigh–Ritz: a rotation within the subspace brings each row near a component of its own.
    // Then a step of the iteration improves the subspace.
    const SymmetricEigen ritz = symmetric_eigen(gram.to_vector<double>(), follow);
    const Tensor turn = Tensor::from(ritz.vectors, {follow, follow}, x.device());
    basis = matmul(turn, directions).to_vector<double>();
    double change = 0;
    for (std::int64_t i = 0; i < k; ++i) change = std::max(change, std::fabs(ritz.values.data()[i] - variances.data()[i]));
    variances = ritz.values;
    settled = change <= kPrecision * variances[0] ? settled + 1 : 0;
    if (settled == 2) break;
    basis = matmul(matmul(turn, scores, {.trans_b = true}), rows).to_vector<double>();
    orthonormalize(basis, follow, d);
  }
  basis.resize(static_cast<std::size_t>(k * d));
  variances.resize(static_cast<std::size_t>(k));
  for (double& variance : variances) variance = std::max(variance, 0.0);  // rounding may leave −1e-17
  fix_signs(basis, k, d);
  return {.mean = mean, .components = Tensor::from(basis, {k, d}, x.device()), .variances = variances};
}

Tensor project(const Pca& pca, const Tensor& x) {
  return matmul(sub(x.to(Dtype::f64), pca.mean), pca.components, {.trans_b = true});
}

}  // namespace mec
