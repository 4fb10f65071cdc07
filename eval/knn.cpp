#include "mec/eval/knn.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/ops.h"

namespace mec {

namespace {

// Similarities held at a time: 64 MiB of f32.
constexpr std::int64_t kBlock = std::int64_t{1} << 24;

Tensor mean_of_rows(const Tensor& x) { return batch_norm_statistics(x).mean; }

// Rows ready for comparison. Euclidean rows are centred as well: distances stay, and their rounding
// errors shrink.
struct Comparison {
  Tensor train;          // (N,d)
  Tensor x;              // (M,d)
  Tensor train_squares;  // (N), squared lengths; euclidean only
  std::vector<float> x_squares;
};

Comparison prepare(const Tensor& train, const Tensor& x, const KnnOptions& options) {
  Comparison out{.train = train, .x = x, .train_squares = {}, .x_squares = {}};
  if (options.center || options.distance == Distance::euclidean) {
    const Tensor mean = mean_of_rows(train);
    out.train = sub(train, mean);
    out.x = sub(x, mean);
  }
  if (options.distance == Distance::cosine) {
    out.train = normalize_rows(out.train).y;
    out.x = normalize_rows(out.x).y;
  } else {
    out.train_squares = sum(mul(out.train, out.train), 1);
    out.x_squares = sum(mul(out.x, out.x), 1).to_vector<float>();
  }
  return out;
}

// Larger is nearer: the cosine, or 2xᵀt − ‖t‖², which is ‖x‖² minus the squared distance.
TopK nearest(const Comparison& all, std::int64_t begin, std::int64_t end, std::int64_t k) {
  const Tensor products = matmul(all.x.rows(begin, end), all.train, {.trans_b = true});
  if (!all.train_squares) return top_k(products, k);
  return top_k(sub(scale(products, 2.0), all.train_squares), k);
}

double vote_weight(double similarity, double x_square, const KnnOptions& options) {
  if (options.distance == Distance::cosine) return std::exp((similarity - 1) / options.temperature);  // at most 1: no overflow
  return 1.0 / (std::sqrt(std::max(0.0, x_square - similarity)) + 1e-8);
}

std::int32_t winner(const std::vector<double>& votes) {
  return static_cast<std::int32_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

}  // namespace

std::string describe(const KnnOptions& options) {
  if (options.distance == Distance::euclidean) return concat("k = ", options.k, ", euclidean, weights 1/distance");
  return concat("k = ", options.k, ", T = ", options.temperature, ", cosine, ", options.center ? "centred" : "not centred");
}

std::vector<std::int32_t> knn_classify(const Features& train, const Tensor& x, const KnnOptions& options) {
  const std::int64_t classes = count_classes("knn", train);
  check<ShapeError>(x.rank() == 2 && x.dim(1) == train.x.dim(1), "knn: features ", x.shape(), " and training features ",
                    train.x.shape(), " must have one width");
  check<ValueError>(options.k >= 1 && options.k <= train.x.dim(0), "knn: k lies between 1 and the ", train.x.dim(0),
                    " training rows, but is ", options.k);
  check<ValueError>(options.temperature > 0, "knn: the temperature is positive, but is ", options.temperature);

  const Comparison all = prepare(train.x, x, options);
  const std::int64_t rows = std::clamp<std::int64_t>(kBlock / train.x.dim(0), 1, 1024);
  const auto k = static_cast<std::size_t>(options.k);
  std::vector<std::int32_t> predicted;
  for (std::int64_t begin = 0; begin < x.dim(0); begin += rows) {
    if (options.at_work) options.at_work();
    const std::int64_t end = std::min(begin + rows, x.dim(0));
    const TopK neighbours = nearest(all, begin, end, options.k);
    const auto similarity = neighbours.values.to_vector<float>();
    const auto index = neighbours.indices.to_vector<std::int32_t>();
    for (std::size_t row = 0; row < index.size() / k; ++row) {
      std::vector<double> votes(static_cast<std::size_t>(classes), 0.0);
      const double x_square = all.x_squares.empty() ? 0 : all.x_squares[static_cast<std::size_t>(begin) + row];
      for (std::size_t j = row * k; j < (row + 1) * k; ++j) {
        const std::int32_t label = train.labels[static_cast<std::size_t>(index[j])];
        votes[static_cast<std::size_t>(label)] += vote_weight(similarity[j], x_square, options);
      }
      predicted.push_back(winner(votes));
    }
  }
  return predicted;
}

}  // namespace mec
