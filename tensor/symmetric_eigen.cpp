#include "mec/tensor/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "mec/tensor/error.h"

namespace mec {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Tridiagonal {
  std::vector<double> diagonal, beside;
};

// The rows of Qᵀ, where a = Q T Qᵀ; without elements where nobody asks for eigenvectors.
struct Turned {
  std::vector<double> elements;
  std::size_t n = 0;

  std::span<double> row(std::size_t i) { return std::span(elements).subspan(i * n, n); }
};

// y += factor·x
void add_multiple(std::span<double> y, double factor, std::span<const double> x) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += factor * x[i];
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The last rows of Qᵀ, as many as v has elements, ← (I − beta·v·vᵀ) times them.
void reflect(Turned& turned, double beta, std::span<const double> v) {
  if (turned.elements.empty()) return;
  const std::size_t first = turned.n - v.size();
  std::vector<double> sums(turned.n);
  for (std::size_t i = 0; i < v.size(); ++i) add_multiple(sums, beta * v[i], turned.row(first + i));
  for (std::size_t i = 0; i < v.size(); ++i) add_multiple(turned.row(first + i), -v[i], sums);
}

// Rows k and k + 1 of Qᵀ ← c·row + s·next and c·next − s·row.
void rotate(Turned& turned, std::size_t k, double c, double s) {
  if (turned.elements.empty()) return;
  const std::span<double> row = turned.row(k), next = turned.row(k + 1);
  for (std::size_t i = 0; i < turned.n; ++i) {
    const double a = row[i], b = next[i];
    row[i] = c * a + s * b;
    next[i] = c * b - s * a;
  }
}

// What stands beside the diagonal in row k is reflected onto its first element, from both sides.
Tridiagonal tridiagonal_of(std::vector<double> a, std::size_t n, Turned& turned) {
  Tridiagonal t{.diagonal = std::vector<double>(n), .beside = std::vector<double>(n)};
  std::vector<double> product(n);
  for (std::size_t k = 0; k < n; ++k) {
    t.diagonal[k] = a[k * n + k];
    if (k + 1 == n) break;
    const std::size_t size = n - k - 1;
    const std::span v(a.data() + k * n + k + 1, size), p(product.data(), size);
    const double norm = std::sqrt(dot(v, v));
    t.beside[k] = v[0] > 0 ? -norm : norm;
    if (norm == 0) continue;
    v[0] -= t.beside[k];
    const double beta = 2 / dot(v, v);
    const auto row = [&](std::size_t i) { return std::span(a.data() + (k + 1 + i) * n + k + 1, size); };
    std::ranges::fill(p, 0.0);
    for (std::size_t i = 0; i < size; ++i) add_multiple(p, beta * v[i], row(i));
    add_multiple(p, -beta / 2 * dot(p, v), v);
    for (std::size_t i = 0; i < size; ++i) {
      add_multiple(row(i), -v[i], p);
      add_multiple(row(i), -p[i], v);
    }
    reflect(turned, beta, v);
  }
  return t;
}

// An implicit QR step, with Wilkinson's shift, on rows [first, last].
void qr_step(Tridiagonal& t, std::size_t first, std::size_t last, Turned& turned) {
  auto& [d, e] = t;
  const double half = (d[last - 1] - d[last]) / 2, corner = e[last - 1];
  const double shift = d[last] - corner * (corner / (half + std::copysign(std::hypot(half, corner), half)));
  double x = d[first] - shift, z = e[first];
  for (std::size_t k = first; k < last; ++k) {
    const double r = std::hypot(x, z);
    const double c = r == 0 ? 1 : x / r, s = r == 0 ? 0 : z / r;
    if (k > first) e[k - 1] = r;
    const double a = d[k], b = e[k], g = d[k + 1];
    d[k] = c * c * a + 2 * c * s * b + s * s * g;
    d[k + 1] = s * s * a - 2 * c * s * b + c * c * g;
    e[k] = c * s * (g - a) + (c * c - s * s) * b;
    rotate(turned, k, c, s);
    if (k + 1 == last) break;
    x = e[k];
    z = s * e[k + 1];
    e[k + 1] *= c;
  }
}

// Where an element beside the diagonal is lost in the rounding of its neighbours, it is 0.
bool is_split(const Tridiagonal& t, std::size_t k) {
  const double neighbours = std::fabs(t.diagonal[k]) + std::fabs(t.diagonal[k + 1]);
  return std::fabs(t.beside[k]) <= std::numeric_limits<double>::epsilon() * neighbours || t.beside[k] == 0;
}

// The eigenvalues, and turned ← the eigenvectors, a row each, in the same order.
std::vector<double> diagonalize(std::vector<double> a, std::size_t n, Turned& turned) {
  const bool finite = std::ranges::all_of(a, [](double x) { return std::isfinite(x); });
  if (!finite) return std::vector<double>(n, kNan);
  Tridiagonal t = tridiagonal_of(std::move(a), n, turned);
  // Two steps find an eigenvalue, as a rule.
  std::size_t steps = 60 * n;
  for (std::size_t last = n - 1; last > 0 && steps > 0;) {
    if (is_split(t, last - 1)) {
      --last;
      continue;
    }
    std::size_t first = last - 1;
    while (first > 0 && !is_split(t, first - 1)) --first;
    qr_step(t, first, last, turned);
    --steps;
  }
  return steps > 0 ? t.diagonal : std::vector<double>(n, kNan);
}

std::size_t size_of(const std::vector<double>& a, std::int64_t n) {
  const auto size = static_cast<std::size_t>(n);
  check<ShapeError>(n >= 1 && a.size() == size * size, "symmetric_eigen: ", a.size(), " numbers are no matrix of ", n, " rows");
  return size;
}

}  // namespace

std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::int64_t n) {
  const std::size_t size = size_of(a, n);
  Turned none;
  return diagonalize(std::move(a), size, none);
}

SymmetricEigen symmetric_eigen(std::vector<double> a, std::int64_t n) {
  const std::size_t size = size_of(a, n);
  Turned turned{.elements = std::vector<double>(size * size), .n = size};
  for (std::size_t i = 0; i < size; ++i) turned.row(i)[i] = 1;
  const std::vector<double> values = diagonalize(std::move(a), size, turned);
  if (std::isnan(values.front())) return {.values = values, .vectors = std::vector<double>(size * size, kNan)};
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return values[i]; });
  SymmetricEigen out;
  for (const std::size_t i : order) {
    out.values.push_back(values[i]);
    out.vectors.insert(out.vectors.end(), turned.row(i).begin(), turned.row(i).end());
  }
  return out;
}

}  // namespace mec
