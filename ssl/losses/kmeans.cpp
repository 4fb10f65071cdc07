#include "mec/ssl/losses/kmeans.h"

#include <algorithm>
#include <limits>
#include <span>

#include "mec/tensor/philox.h"

namespace mec {

namespace {

// Rows of a matrix on the host.
struct Rows {
  std::vector<double> values;
  std::size_t width;
  std::span<double> operator[](std::size_t i) { return {values.data() + i * width, width}; }
  std::span<const double> operator[](std::size_t i) const { return {values.data() + i * width, width}; }
};

double squared_distance(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return sum;
}

// A uniform number of 53 bits: with 24 bits, some of very many rows could never be drawn.
double uniform(RandomStream& random) {
  const double high = random.bits() >> 5, low = random.bits() >> 6;
  return (high * 0x1p26 + low) * 0x1p-53;
}

// k-means++: each next centre is a row drawn with a probability proportional to its squared
// distance to the nearest centre so far.
Rows draw_start(const Rows& x, std::size_t m, std::size_t k, std::uint64_t seed) {
  RandomStream random(seed, 0, 0, Purpose::kmeans);
  Rows centres{{}, x.width};
  std::vector<double> nearest(m, std::numeric_limits<double>::infinity());
  std::size_t chosen = random.below(m);
  while (true) {
    centres.values.insert(centres.values.end(), x[chosen].begin(), x[chosen].end());
    if (centres.values.size() == k * x.width) return centres;
    double total = 0;
    for (std::size_t i = 0; i < m; ++i) total += nearest[i] = std::min(nearest[i], squared_distance(x[i], x[chosen]));
    double left = uniform(random) * total;
    chosen = 0;
    for (std::size_t i = 0; i < m; ++i) {
      // Never a row that is a centre already, while there are others.
      if (nearest[i] > 0) chosen = i;
      left -= nearest[i];
      if (left < 0) break;
    }
  }
}

struct Assignment {
  std::vector<std::int32_t> labels;
  std::vector<double> distances;  // squared, to the own centre
};

Assignment assign(const Rows& x, std::size_t m, const Rows& centres, std::size_t k) {
  Assignment out{std::vector<std::int32_t>(m, 0), std::vector<double>(m, std::numeric_limits<double>::infinity())};
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < k; ++j) {  // of equal distances the lower index
      const double distance = squared_distance(x[i], centres[j]);
      if (distance < out.distances[i]) {
        out.distances[i] = distance;
        out.labels[i] = static_cast<std::int32_t>(j);
      }
    }
  }
  return out;
}

void move_centres(const Rows& x, Assignment& assignment, Rows& centres, std::size_t k) {
  std::vector<std::int64_t> counts(k, 0);
  for (const std::int32_t label : assignment.labels) ++counts[static_cast<std::size_t>(label)];
  for (std::size_t j = 0; j < k; ++j) {
    if (counts[j] > 0) continue;
    std::size_t at = 0;  // the vector farthest from its centre, in components of two or more
    double farthest = -1;
    for (std::size_t i = 0; i < assignment.labels.size(); ++i) {
      if (counts[static_cast<std::size_t>(assignment.labels[i])] < 2 || assignment.distances[i] <= farthest) continue;
      at = i;
      farthest = assignment.distances[i];
    }
    --counts[static_cast<std::size_t>(assignment.labels[at])];
    assignment.labels[at] = static_cast<std::int32_t>(j);
    assignment.distances[at] = 0;
    counts[j] = 1;
  }
  std::ranges::fill(centres.values, 0.0);
  for (std::size_t i = 0; i < assignment.labels.size(); ++i) {
    const auto j = static_cast<std::size_t>(assignment.labels[i]);
    for (std::size_t c = 0; c < x.width; ++c) centres[j][c] += x[i][c] / static_cast<double>(counts[j]);
  }
}

}  // namespace

KMeans kmeans(const Tensor& x, const KMeansOptions& options) {
  check<ShapeError>(x && x.rank() == 2 && x.numel() > 0, "k-means: the vectors are the rows of a matrix (m,d), but got ",
                    x.shape());
  check<ValueError>(options.components >= 1 && options.components <= x.dim(0), "k-means: ", x.dim(0), " vectors make 1 to ",
                    x.dim(0), " components, but ", options.components, " are asked for");
  const auto m = static_cast<std::size_t>(x.dim(0)), k = static_cast<std::size_t>(options.components);
  const Rows rows{x.to(Dtype::f64).to_vector<double>(), static_cast<std::size_t>(x.dim(1))};
  Rows centres = draw_start(rows, m, k, options.seed);
  Assignment assignment = assign(rows, m, centres, k);
  KMeans out;
  while (out.rounds < options.max_rounds) {
    ++out.rounds;
    move_centres(rows, assignment, centres, k);
    Assignment next = assign(rows, m, centres, k);
    const bool settled = next.labels == assignment.labels;
    assignment = std::move(next);
    if (settled) break;
  }
  for (const double distance : assignment.distances) out.inertia += distance;
  out.labels = std::move(assignment.labels);
  out.centres = Tensor::from(centres.values, {options.components, x.dim(1)}, x.device());
  return out;
}

}  // namespace mec
