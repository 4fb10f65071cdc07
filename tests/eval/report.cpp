// The two scores side by side, with options far from their defaults.
#include "mec/eval/report.h"

#include <doctest/doctest.h>

#include "mec/eval/noise.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {
namespace {

const Device& device() {
  static const Device shared = make_reference_device();
  return shared;
}

// Two classes that a line separates badly and neighbours well: column 0 has one class on both sides
// of the other.
Features stripes(std::int64_t n, std::uint64_t seed) {
  auto x = random({n, 3}, Dtype::f32, device(), {.seed = seed}).to_vector<float>();
  std::vector<std::int32_t> labels;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const auto stripe = static_cast<std::int32_t>(i % 3);
    x[3 * i] = 0.4F * x[3 * i] + 2.0F * static_cast<float>(stripe);
    labels.push_back(stripe == 1 ? 1 : 0);
  }
  return {.x = Tensor::from(x, {n, 3}, device()), .labels = labels};
}

const Features kTrain = stripes(90, 1), kTest = stripes(120, 2);
const KnnOptions kKnn{.k = 5, .distance = Distance::euclidean};
const LinearProbeOptions kLinear{.c = 1e-4, .max_iterations = 3};

TEST_CASE("a row of the report has both scores, each by the options given for it") {
  const double knn = knn_accuracy(kTrain, kTest, kKnn), linear = linear_accuracy(kTrain, kTest, kLinear).accuracy;
  CHECK(knn != linear);
  CHECK(knn != knn_accuracy(kTrain, kTest));
  CHECK(linear_accuracy(kTrain, kTest, {.c = 1e-4}).iterations != 3);
  const ReportRow row = make_report_row("stripes", kTrain, kTest, {.knn = kKnn, .linear = kLinear});
  CHECK(row.features == "stripes");
  CHECK(row.width == 3);
  CHECK(row.knn == knn);
  REQUIRE(row.linear);
  CHECK(row.linear->accuracy == linear);
  CHECK(row.linear->iterations == 3);
  CHECK_FALSE(row.linear->converged);
}

TEST_CASE("classifiers trained on clean features give the report's scores") {
  const NoiseScore score = CleanClassifiers(kTrain, kKnn, kLinear).score(kTest);
  CHECK(score.knn == knn_accuracy(kTrain, kTest, kKnn));
  CHECK(score.linear == linear_accuracy(kTrain, kTest, kLinear).accuracy);
  CHECK(score.knn != score.linear);
}

}  // namespace
}  // namespace mec
