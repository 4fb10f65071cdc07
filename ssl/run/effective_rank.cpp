#include "mec/ssl/run/effective_rank.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Tridiagonal {
  std::vector<double> diagonal, beside;
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

// What stands beside the diagonal in row k is reflected onto its first element, from both sides.
Tridiagonal tridiagonal_of(std::vector<double> a, std::size_t n) {
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
  }
  return t;
}

// An implicit QR step, with Wilkinson's shift, on rows [first, last].
void qr_step(Tridiagonal& t, std::size_t first, std::size_t last) {
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

double rank_of(const std::vector<double>& eigenvalues) {
  double sum = 0, entropy = 0;
  for (const double value : eigenvalues) sum += std::sqrt(std::max(value, 0.0));  // below 0 by rounding
  if (!(sum > 0)) return sum;                                                     // 0, or NaN
  for (const double value : eigenvalues) {
    const double p = std::sqrt(std::max(value, 0.0)) / sum;
    if (p > 0) entropy -= p * std::log(p);
  }
  return std::exp(entropy);
}

}  // namespace

std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::int64_t n) {
  const auto size = static_cast<std::size_t>(n);
  check<ShapeError>(n >= 1 && a.size() == size * size, "symmetric_eigenvalues: ", a.size(), " numbers are no matrix of ", n,
                    " rows");
  const bool finite = std::ranges::all_of(a, [](double x) { return std::isfinite(x); });
  if (!finite) return std::vector<double>(size, kNan);
  Tridiagonal t = tridiagonal_of(std::move(a), size);
  // Two steps find an eigenvalue, as a rule.
  std::size_t steps = 60 * size;
  for (std::size_t last = size - 1; last > 0 && steps > 0;) {
    if (is_split(t, last - 1)) {
      --last;
      continue;
    }
    std::size_t first = last - 1;
    while (first > 0 && !is_split(t, first - 1)) --first;
    qr_step(t, first, last);
    --steps;
  }
  return steps > 0 ? t.diagonal : std::vector<double>(size, kNan);
}

Device rank_host() { return make_cpu_device({.threads = 1, .kernels = CpuKernels::own}); }

std::function<double()> effective_rank_later(const Tensor& z, const Device& host) {
  check<ShapeError>(z && z.rank() == 2 && z.numel() > 0, "effective_rank: the embeddings are a matrix (m,d), but are ",
                    z ? concat(z.shape()) : "undefined");
  const Tensor rows = z.rows(0, std::min(z.dim(0), kRankRows));
  return [shape = rows.shape(), dtype = rows.dtype(), host, copy = std::shared_ptr<HostCopy>(rows.backend().read_later(rows))] {
    Tensor narrow(shape, dtype, host);
    copy->wait(Out(narrow).data);
    const Tensor wide = narrow.to(Dtype::f64);
    const bool by_row = shape[0] <= shape[1];
    const Tensor gram = matmul(wide, wide, {.trans_a = !by_row, .trans_b = by_row});
    return rank_of(symmetric_eigenvalues(gram.to_vector<double>(), gram.dim(0)));
  };
}

}  // namespace mec
