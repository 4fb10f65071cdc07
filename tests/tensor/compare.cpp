#include "support/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "mec/tensor/devices.h"
#include "support/tolerances.h"

using namespace mec;
using namespace mec::test;

namespace {

const double kNan = std::nan("");
const double kInf = std::numeric_limits<double>::infinity();

bool passes(const std::vector<double>& actual, const std::vector<double>& expected, const Tolerance& tolerance) {
  const Device device = make_reference_device();
  const auto count = [](const std::vector<double>& values) { return Shape{static_cast<std::int64_t>(values.size())}; };
  return compare(Tensor::from(actual, count(actual), device), Tensor::from(expected, count(expected), device), tolerance).ok;
}

}  // namespace

TEST_CASE("compare: NaN never passes, wherever it is and however wide the tolerance") {
  const Tolerance wide{.relative = 1e9, .of_rms = 1e9};
  CHECK(passes({1, 2}, {3, 4}, wide));
  CHECK_FALSE(passes({1, kNan}, {1, 2}, wide));
  CHECK_FALSE(passes({1, 2}, {1, kNan}, wide));
  CHECK_FALSE(passes({1, kNan}, {1, kNan}, wide));
}

TEST_CASE("compare: infinities must be equal, and do not widen the tolerance of the others") {
  const Tolerance tolerance{.relative = 1e-3, .of_rms = 1e-3};
  CHECK(passes({kInf, 1}, {kInf, 1}, tolerance));
  CHECK_FALSE(passes({-kInf, 1}, {kInf, 1}, tolerance));
  CHECK_FALSE(passes({5, 1}, {kInf, 1}, tolerance));
  CHECK_FALSE(passes({kInf, 1}, {5, 1}, tolerance));
  CHECK_FALSE(passes({kInf, 9}, {kInf, 1}, tolerance));
}

TEST_CASE("compare: by class, NaN is where NaN is expected and nowhere else, and zeros may have signs") {
  const auto by = [](Classes classes, double actual, double expected) {
    const Device device = make_reference_device();
    return compare(Tensor::from<double>({actual, 1}, {2}, device), Tensor::from<double>({expected, 1}, {2}, device),
                   {.relative = 1e9, .of_rms = 1e9}, classes)
        .ok;
  };
  for (const Classes classes : {Classes::with_nan, Classes::with_nan_and_signed_zeros}) {
    CHECK(by(classes, kNan, kNan));
    CHECK_FALSE(by(classes, kNan, 2));
    CHECK_FALSE(by(classes, 2, kNan));
    CHECK_FALSE(by(classes, kInf, kNan));
    CHECK_FALSE(by(classes, -kInf, kInf));
    CHECK(by(classes, kInf, kInf));
    CHECK(by(classes, -0.0, 0.0) == (classes == Classes::with_nan));
  }
  CHECK(by(Classes::with_spreading_nan, kNan, 2));
  CHECK(by(Classes::with_spreading_nan, kInf, kNan));
  CHECK_FALSE(by(Classes::with_spreading_nan, 2, kNan));
  CHECK_FALSE(by(Classes::with_spreading_nan, 2, kInf));
  CHECK_FALSE(by(Classes::with_spreading_nan, kInf, 2));
}

TEST_CASE("compare: both parts of the tolerance count, and shapes must agree") {
  CHECK(passes({100.9}, {100}, {.relative = 0.01}));
  CHECK_FALSE(passes({101.1}, {100}, {.relative = 0.01}));
  CHECK(passes({0.6, 100}, {0, 100}, {.of_rms = 0.01}));  // the rms is 71
  CHECK_FALSE(passes({0.8, 100}, {0, 100}, {.of_rms = 0.01}));
  CHECK_FALSE(passes({1}, {1, 1}, {.relative = 1}));
  CHECK(passes({}, {}, {}));
}

TEST_CASE("tolerances: bf16 adds one rounding to f32, f64 is finer, and what is exact is exact in each") {
  const auto relative = [](Accuracy accuracy, Dtype dtype) { return tolerance_of(accuracy, dtype).relative; };
  CHECK(relative(Accuracy::rounded, Dtype::bf16) == relative(Accuracy::rounded, Dtype::f32) + 0x1p-8);
  CHECK(relative(Accuracy::solved, Dtype::f64) < 1e-12);
  CHECK(relative(Accuracy::exact, Dtype::bf16) == 0);
  CHECK(relative(Accuracy::accumulated, Dtype::i32) == 0);
}
