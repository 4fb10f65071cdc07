#include "mec/eval/knn.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {
namespace {

// Tensors meet only on one device.
const Device& device() {
  static const Device shared = make_reference_device();
  return shared;
}

Tensor rows_of(const std::vector<float>& values, std::int64_t width) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size()) / width, width}, device());
}

// Everything about one voter, by sorting: slow, and as the definition reads.
std::int32_t classify_by_sorting(const std::vector<double>& similarity, const std::vector<std::int32_t>& labels,
                                 const std::vector<double>& weight, std::size_t k) {
  std::vector<std::size_t> order(similarity.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return similarity[a] > similarity[b]; });
  std::vector<double> votes(10, 0.0);
  for (std::size_t j = 0; j < k; ++j) votes[static_cast<std::size_t>(labels[order[j]])] += weight[order[j]];
  return static_cast<std::int32_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

TEST_CASE("kNN on random features agrees with sorting all neighbours, for each distance") {
  constexpr std::int64_t n = 150, m = 1100, d = 6;  // queries go in blocks of 1024
  Features train{.x = random({n, d}, Dtype::f32, device(), {.shift = 0.5, .seed = 1}), .labels = {}};
  for (std::int32_t i = 0; i < n; ++i) train.labels.push_back(i % 7 % 4);
  const Tensor x = random({m, d}, Dtype::f32, device(), {.shift = 0.5, .seed = 2});
  const auto a = train.x.to_vector<float>(), b = x.to_vector<float>();

  for (const Distance distance : {Distance::cosine, Distance::euclidean}) {
    const KnnOptions options{.k = 9, .temperature = 0.2, .distance = distance};
    const auto predicted = knn_classify(train, x, options);
    REQUIRE(predicted.size() == m);
    for (std::size_t row = 0; row < m; ++row) {
      std::vector<double> similarity, weight;
      for (std::size_t t = 0; t < n; ++t) {
        double dot = 0, aa = 0, bb = 0;
        for (std::size_t c = 0; c < d; ++c) {
          const double u = a[t * d + c], v = b[row * d + c];
          dot += u * v, aa += u * u, bb += v * v;
        }
        const double cosine = dot / std::sqrt(aa * bb), apart = std::sqrt(aa + bb - 2 * dot);
        similarity.push_back(distance == Distance::cosine ? cosine : -apart);
        weight.push_back(distance == Distance::cosine ? std::exp(cosine / 0.2) : 1 / apart);
      }
      CHECK(predicted[row] == classify_by_sorting(similarity, train.labels, weight, 9));
    }
  }
}

TEST_CASE("kNN weighs near neighbours more, the more so the lower the temperature") {
  // Class 1 has one neighbour at cosine 1, class 0 two at cosine 0.6: e^{1/T} against 2e^{0.6/T}.
  const Features train{.x = rows_of({1, 0, 0.6F, 0.8F, 0.6F, -0.8F}, 2), .labels = {1, 0, 0}};
  const Tensor x = rows_of({1, 0}, 2);
  CHECK(knn_classify(train, x, {.k = 3, .temperature = 0.1}) == std::vector<std::int32_t>{1});
  CHECK(knn_classify(train, x, {.k = 3, .temperature = 10}) == std::vector<std::int32_t>{0});
}

TEST_CASE("kNN gives equal votes to the lowest class") {
  const Features train{.x = rows_of({1, 0, 1, 0, 0, 1}, 2), .labels = {2, 1, 0}};
  CHECK(knn_classify(train, rows_of({1, 0}, 2), {.k = 2}) == std::vector<std::int32_t>{1});
}

TEST_CASE("kNN compares directions under cosine, distances under euclidean") {
  const Features train{.x = rows_of({10, 1, 0, 2}, 2), .labels = {0, 1}};
  const Tensor x = rows_of({1, 0.1F}, 2);  // the direction of the first, nearer to the second
  CHECK(knn_classify(train, x, {.k = 1}) == std::vector<std::int32_t>{0});
  CHECK(knn_classify(train, x, {.k = 1, .distance = Distance::euclidean}) == std::vector<std::int32_t>{1});
}

TEST_CASE("centring takes the training mean out of both sides") {
  // Far from the origin all directions look alike; about the mean (100, 100) they are opposite.
  const Features train{.x = rows_of({101, 100, 99, 100}, 2), .labels = {0, 1}};
  const Tensor x = rows_of({98, 97}, 2);
  CHECK(knn_classify(train, x, {.k = 1, .center = true}) == std::vector<std::int32_t>{1});
  CHECK(knn_classify(train, x, {.k = 1, .center = false}) == std::vector<std::int32_t>{0});
}

TEST_CASE("kNN refuses settings and features that do not fit") {
  const Features train{.x = rows_of({1, 0, 0, 1}, 2), .labels = {0, 1}};
  const Tensor x = rows_of({1, 0}, 2);
  CHECK_THROWS_AS(knn_classify(train, x, {.k = 3}), ValueError);
  CHECK_THROWS_AS(knn_classify(train, x, {.k = 0}), ValueError);
  CHECK_THROWS_AS(knn_classify(train, x, {.k = 1, .temperature = 0}), ValueError);
  CHECK_THROWS_AS(knn_classify(train, rows_of({1, 0, 0}, 3), {.k = 1}), ShapeError);
  CHECK_THROWS_AS(knn_classify({.x = train.x, .labels = {}}, x, {.k = 1}), ValueError);
  CHECK_THROWS_AS(knn_classify({.x = train.x, .labels = {0}}, x, {.k = 1}), ShapeError);
  CHECK_THROWS_AS(knn_classify({.x = train.x, .labels = {0, -1}}, x, {.k = 1}), ValueError);
}

TEST_CASE("the settings of a kNN number can be read") {
  CHECK(describe(KnnOptions{}) == "k = 20, T = 0.07, cosine, not centred");
  CHECK(describe(KnnOptions{.k = 5, .distance = Distance::euclidean}) == "k = 5, euclidean, weights 1/distance");
}

}  // namespace
}  // namespace mec
