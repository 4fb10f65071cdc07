#include "mec/eval/knn.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/ops.h"

namespace mec {

namespace {

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

  const NearestRows rows(train.x, x, options.distance, options.center);
  const auto k = static_cast<std::size_t>(options.k);
  std::vector<std::int32_t> predicted;
  for (std::int64_t begin = 0; begin < x.dim(0); begin += rows.at_a_time()) {
    if (options.at_work) options.at_work();
    const std::int64_t end = std::min(begin + rows.at_a_time(), x.dim(0));
    const TopK neighbours = rows.find(begin, end, options.k);
    const auto similarity = neighbours.values.to_vector<float>();
    const auto index = neighbours.indices.to_vector<std::int32_t>();
    for (std::size_t row = 0; row < index.size() / k; ++row) {
      std::vector<double> votes(static_cast<std::size_t>(classes), 0.0);
      const double x_square = rows.square(begin + static_cast<std::int64_t>(row));
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
