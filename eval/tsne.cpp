#include "mec/eval/tsne.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "mec/eval/pca.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

using Vector = std::vector<double>;

constexpr double kEntropyPrecision = 1e-10;
// Smaller p_{j|i} are set to 0: their products in f32 would be subnormal, which is six times as
// slow.
constexpr double kNegligible = 1e-20;
constexpr std::int64_t kBlock = std::int64_t{1} << 23;  // distances held at a time: 64 MiB of f64

double sum_of(const Tensor& t) {
  const auto values = t.to(Dtype::f64).to_vector<double>();
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Turns the squared distances from one point (infinity to itself) into its p_{j|i} of entropy
// `target`.
// H(β) = log Σ e^{−βd} + βE[d] falls with slope −β Var[d]: Newton's steps in log β, kept between
// bounds, take 5 where bisection takes 30.
void soft_neighbours(std::span<double> row, double target) {
  const double nearest = *std::ranges::min_element(row);
  double mean = 0;
  // Subtracting the nearest distance does not change p.
  for (double& d : row) mean += std::isinf(d -= nearest) ? 0 : d;
  mean /= static_cast<double>(row.size() - 1);
  double low = 0, high = std::numeric_limits<double>::infinity(), beta = mean > 0 ? 1 / mean : 1, total = 1;
  for (int round = 0; round < 200; ++round) {
    double first = 0, second = 0;
    total = 0;
    for (const double d : row) {
      const double e = std::exp(-beta * d);
      if (e == 0) continue;  // also the point itself, where 0·∞ would follow
      total += e, first += e * d, second += e * d * d;
    }
    const double expected = first / total, variance = second / total - expected * expected;
    const double excess = std::log(total) + beta * expected - target;
    if (std::fabs(excess) <= kEntropyPrecision) break;
    (excess > 0 ? low : high) = beta;
    // Where all distances are equal, the slope is 0. Where more nearest distances are equal than
    // the perplexity, there is no solution: β then grows until only those count.
    const double newton = beta * std::exp(std::clamp(excess / (beta * beta * variance), -2.0, 2.0));
    if (newton > low && newton < high) beta = newton;
    else beta = std::isinf(high) ? beta * 8 : (low + high) / 2;
  }
  for (double& d : row) d = std::exp(-beta * d) / total;
}

// Steps of gradient descent that keeps a velocity and a gain for each coordinate.
class Descent {
 public:
  Descent(std::size_t size, double lr, double momentum)
      : lr_(lr), momentum_(momentum), velocity_(size, 0.0F), gains_(size, 1.0F) {}

  void step(std::vector<float>& y, const std::vector<float>& gradient) {
    for (std::size_t i = 0; i < y.size(); ++i) {
      gains_[i] = velocity_[i] * gradient[i] < 0 ? gains_[i] + 0.2F : std::max(gains_[i] * 0.8F, 0.01F);
      velocity_[i] = static_cast<float>(momentum_ * velocity_[i] - lr_ * gains_[i] * gradient[i]);
      y[i] += velocity_[i];
    }
  }

 private:
  double lr_, momentum_;
  std::vector<float> velocity_, gains_;
};

// 4·(exaggeration·attraction − repulsion/Z), points and gradient (2,N).
Tensor gradient_of(const Tensor& p, const Tensor& points, double exaggeration) {
  const TsneForces forces = tsne_forces(p, points);
  axpby(forces.attraction, forces.repulsion, {.alpha = 4 * exaggeration, .beta = -4 / sum_of(forces.weights)});
  return forces.repulsion;
}

// The initial points (2,N) f32, as in scikit-learn.
std::vector<float> start_of(const Tensor& x) {
  const Pca pca = fit_pca(x, std::min<std::int64_t>(2, x.dim(1)));
  const Vector scores = transpose(project(pca, x)).to_vector<double>();
  const auto n = static_cast<double>(x.dim(0));
  const double deviation = std::sqrt(pca.variances[0] * (n - 1) / n);
  check<ValueError>(deviation > 0, "t-SNE: all ", x.dim(0), " rows of features are the same; there is nothing to show");
  // Of features of width 1 all points start on a line.
  std::vector<float> y(static_cast<std::size_t>(2 * x.dim(0)), 0.0F);
  for (std::size_t i = 0; i < scores.size(); ++i) y[i] = static_cast<float>(scores[i] / deviation * 1e-4);
  return y;
}

}  // namespace

void validate(const TsneOptions& options, std::int64_t points) {
  check<ShapeError>(points >= 3, "t-SNE: three points or more are needed, but there are ", points);
  check<ValueError>(options.perplexity >= 1 && options.perplexity < static_cast<double>(points - 1),
                    "t-SNE: perplexity lies in [1, ", points - 1, "), the number of other points, but is ", options.perplexity,
                    "; take a smaller one or more points");
  check<ValueError>(options.exaggerated >= 0 && options.iterations >= options.exaggerated, "t-SNE: of ", options.iterations,
                    " iterations ", options.exaggerated, " are to be exaggerated; that is at least 0 and at most all");
  check<ValueError>(options.exaggeration >= 1, "t-SNE: exaggeration is at least 1, but is ", options.exaggeration);
  check<ValueError>(options.learning_rate >= 0, "t-SNE: the learning rate is positive, or 0: automatic, but is ",
                    options.learning_rate);
}

Tensor tsne_affinities(const Tensor& x, double perplexity) {
  check<ShapeError>(x && x.rank() == 2, "t-SNE: the features are a matrix, but are ", x ? concat(x.shape()) : "undefined");
  const std::int64_t n = x.dim(0);
  validate({.perplexity = perplexity}, n);
  check<NumericalError>(all_finite(x).item() == 1, "t-SNE: the features must be finite, but some are not");
  // Centred and in f64: the difference of two squares keeps its digits.
  const Tensor wide = x.to(Dtype::f64), rows = sub(wide, batch_norm_statistics(wide).mean);
  const auto squares = sum(mul(rows, rows), 1).to_vector<double>();
  const Tensor p({n, n}, Dtype::f64, x.device());
  const std::int64_t block = std::max<std::int64_t>(1, kBlock / n);
  for (std::int64_t begin = 0; begin < n; begin += block) {
    const std::int64_t end = std::min(begin + block, n);
    Vector values = matmul(rows.rows(begin, end), rows, {.trans_b = true}).to_vector<double>();
    for (std::int64_t i = begin; i < end; ++i) {
      const auto row = std::span(values).subspan(static_cast<std::size_t>((i - begin) * n), static_cast<std::size_t>(n));
      const double own = squares.data()[i];
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = std::max(own + squares[j] - 2 * row[j], 0.0);
      row[static_cast<std::size_t>(i)] = std::numeric_limits<double>::infinity();
      soft_neighbours(row, std::log(perplexity));
    }
    for (double& value : values) value = value < kNegligible ? 0 : value / static_cast<double>(n);
    p.rows(begin, end).copy_from(Tensor::from(values, {end - begin, n}, x.device()));
  }
  return symmetrize(p);
}

double tsne_divergence(const Tensor& p, const Tensor& y) {
  const auto points = y.to(Dtype::f64).to_vector<double>();
  const std::int64_t n = p.dim(0);
  check<ShapeError>(y.shape() == Shape{n, 2}, "t-SNE: p ", p.shape(), " needs points (", n, ",2), but they are ", y.shape());
  double total = 0, mass = 0, divergence = 0;  // Σw, Σp, and Σ p log(p/w)
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = p.rows(i, i + 1).to(Dtype::f64).to_vector<double>();
    for (std::int64_t j = 0; j < n; ++j) {
      if (j == i) continue;
      const double d0 = points.data()[2 * i] - points.data()[2 * j], d1 = points.data()[2 * i + 1] - points.data()[2 * j + 1];
      const double square = 1 + d0 * d0 + d1 * d1, share = row.data()[j];
      total += 1 / square;
      if (share > 0) divergence += share * std::log(share * square), mass += share;
    }
  }
  return divergence + mass * std::log(total);
}

Tensor tsne_gradient(const Tensor& p, const Tensor& y) { return transpose(gradient_of(p, transpose(y), 1)); }

Tsne fit_tsne(const Tensor& x, const TsneOptions& options) {
  check<ShapeError>(x && x.rank() == 2, "t-SNE: the features are a matrix, but are ", x ? concat(x.shape()) : "undefined");
  validate(options, x.dim(0));
  const Tensor affinities = tsne_affinities(x, options.perplexity), p = affinities.to(Dtype::f32);
  const std::int64_t n = x.dim(0);
  const double lr =
      options.learning_rate > 0 ? options.learning_rate : std::max(static_cast<double>(n) / options.exaggeration / 4, 50.0);
  std::vector<float> y = start_of(x);
  const auto descend = [&](int steps, double exaggeration, double momentum) {
    Descent descent(y.size(), lr, momentum);
    for (int i = 0; i < steps; ++i) {
      descent.step(y, gradient_of(p, Tensor::from(y, {2, n}, x.device()), exaggeration).to_vector<float>());
    }
  };
  descend(options.exaggerated, options.exaggeration, 0.5);
  descend(options.iterations - options.exaggerated, 1, 0.8);
  Tsne out{.y = transpose(Tensor::from(y, {2, n}, x.device())), .kl = 0};
  out.kl = tsne_divergence(affinities, out.y);
  check<NumericalError>(std::isfinite(out.kl), "t-SNE: the points left the finite numbers; lower the learning rate below ", lr);
  return out;
}

}  // namespace mec
