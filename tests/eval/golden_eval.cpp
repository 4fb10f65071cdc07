// kNN and linear probe against NumPy and scikit-learn, on both devices.
#include <doctest/doctest.h>

#include "mec/eval/report.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/golden.h"

namespace mec {
namespace {

Features part(const test::Golden& golden, const std::string& name) {
  return {.x = golden.at(name, Dtype::f32), .labels = golden.at(name + "_labels", Dtype::i32).to_vector<std::int32_t>()};
}

TEST_CASE("the linear probe finds scikit-learn's optimum and its accuracy") {
  for (const char* name : {"reference", "cpu"}) {
    CAPTURE(name);
    const test::Golden golden("probe", make_device(name));
    const Features train = part(golden, "train"), held_out = part(golden, "test");
    const LinearProbe probe = fit_linear_probe(train, {.c = golden.number("C"), .tolerance = 1e-5});
    REQUIRE(probe.converged);
    CHECK(accuracy(classify(probe, held_out.x), held_out.labels) ==
          doctest::Approx(golden.at("test_accuracy", Dtype::f64).item()).epsilon(0.003));  // the promise: 0.3 points
    // A gradient of 1e-5 over a curvature of at least 1/(C N), C < 3 and N = 600, leaves 2 % of a
    // weight of order 1.
    const Tensor expected = transpose(golden.at("weight", Dtype::f32));  // scikit-learn has (K,d)
    const test::Comparison same = test::compare(probe.weight, expected, {.of_rms = 0.02});
    CHECK_MESSAGE(same.ok, same.message);
    const Tensor logits =
        add(matmul(batch_norm_apply(train.x, probe.scaling, {}, {}, {}, {.eps = 0}), probe.weight), probe.bias);
    const Tensor labels = Tensor::from(train.labels, {train.x.dim(0)}, train.x.device());
    CHECK(sum(cross_entropy(logits, labels).loss).item() / 600 ==
          doctest::Approx(golden.at("cross_entropy", Dtype::f64).item()).epsilon(1e-3));
  }
}

TEST_CASE("kNN classifies as NumPy does, for both distances") {
  for (const char* name : {"reference", "cpu"}) {
    CAPTURE(name);
    const test::Golden golden("knn", make_device(name));
    const Features train = part(golden, "train"), held_out = part(golden, "test");
    KnnOptions options{.k = golden.integer("k"), .temperature = golden.number("temperature")};
    CHECK(knn_classify(train, held_out.x, options) == golden.at("cosine", Dtype::i32).to_vector<std::int32_t>());
    options.distance = Distance::euclidean;
    CHECK(knn_classify(train, held_out.x, options) == golden.at("euclidean", Dtype::i32).to_vector<std::int32_t>());
  }
}

}  // namespace
}  // namespace mec
