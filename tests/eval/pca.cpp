#include "mec/eval/pca.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/golden.h"

namespace mec {
namespace {

const Device& device() {
  static const Device shared = make_reference_device();
  return shared;
}

TEST_CASE("principal components of the digits are scikit-learn's, on both devices") {
  for (const char* name : {"reference", "cpu"}) {
    CAPTURE(name);
    const test::Golden golden("digits", make_device(name));
    const Pca pca = fit_pca(golden.at("x", Dtype::f32), 3);
    const auto variances = golden.at("variances", Dtype::f64).to_vector<double>();
    for (std::size_t i = 0; i < 3; ++i) CHECK(pca.variances[i] == doctest::Approx(variances[i]).epsilon(1e-10));
    // Their signs follow the same rule; a component is off by the square root of what its variance
    // is.
    const test::Comparison same = test::compare(pca.components, golden.at("components", Dtype::f64), {.of_rms = 1e-5});
    CHECK_MESSAGE(same.ok, same.message);
  }
}

TEST_CASE("components are found where scales lie far apart, and projections have their variances") {
  // Column j of 40 has scale 2^−j, turned by nothing: the components are the axes.
  Tensor x = random({500, 40}, Dtype::f64, device(), {.seed = 3});
  std::vector<double> scales;
  for (int j = 0; j < 40; ++j) scales.push_back(std::ldexp(1.0, -j));
  x = add(mul(x, Tensor::from(scales, {40}, device())), Tensor::full({40}, 7.0, Dtype::f64, device()));
  const Pca pca = fit_pca(x, 5);
  const Tensor scores = project(pca, x);
  const auto moments = batch_norm_statistics(scores);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(moments.mean.to_vector<double>()[i] == doctest::Approx(0).epsilon(1e-9));
    CHECK(moments.var.to_vector<double>()[i] * 500 / 499 == doctest::Approx(pca.variances[i]).epsilon(1e-9));
    CHECK(pca.components.to_vector<double>()[i * 41] > 0.95);  // near the axis, and positive
  }
  const auto gram = matmul(pca.components, pca.components, {.trans_b = true}).to_vector<double>();
  for (std::size_t i = 0; i < 25; ++i) CHECK(std::fabs(gram[i] - (i % 6 == 0 ? 1.0 : 0.0)) < 1e-13);
}

TEST_CASE("components beyond the rank have no variance and are orthonormal still") {
  const Tensor line = Tensor::from(std::vector<double>{1, 2, 2, 4, 3, 6}, {3, 2}, device());  // along (1,2)
  const Pca pca = fit_pca(line, 2);
  CHECK(pca.variances[0] == doctest::Approx(5));
  CHECK(pca.variances[1] < 1e-15);
  const auto c = pca.components.to_vector<double>();
  CHECK(c[0] == doctest::Approx(1 / std::sqrt(5.0)));
  CHECK(c[1] == doctest::Approx(2 / std::sqrt(5.0)));
  CHECK(c[2] * c[0] + c[3] * c[1] == doctest::Approx(0));
  CHECK(fit_pca(Tensor::zeros({4, 3}, Dtype::f32, device()), 2).variances == std::vector<double>{0, 0});
}

TEST_CASE("principal components repeat to the bit and refuse what has none") {
  const Tensor x = random({50, 12}, Dtype::f32, device(), {.seed = 4});
  CHECK(fit_pca(x, 2).components.to_vector<double>() == fit_pca(x, 2).components.to_vector<double>());
  CHECK_THROWS_AS(fit_pca(x, 0), ValueError);
  CHECK_THROWS_AS(fit_pca(x, 13), ValueError);
  CHECK_THROWS_AS(fit_pca(x.rows(0, 1), 1), ShapeError);
  CHECK_THROWS_AS(fit_pca(Tensor::full({4, 3}, std::numeric_limits<double>::infinity(), Dtype::f32, device()), 1),
                  NumericalError);
}

}  // namespace
}  // namespace mec
