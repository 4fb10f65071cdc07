// The comparison with goldens must be able to fail.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "mec/tensor/devices.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("a golden is compared relative to its largest entry: 1e-10 in f64, 1e-4 in f32, and NaN never passes") {
  const Device device = make_device("reference");
  const Golden golden("mec_m_below_d_order_4", device);
  const auto exact = golden.at("grad_p", Dtype::f64);
  double largest = 0;
  for (const double x : exact.to_vector<double>()) largest = std::max(largest, std::abs(x));
  const auto moved = [&](double by, Dtype dtype) {
    auto values = exact.to_vector<double>();
    values[3] += by;
    return golden.compare("grad_p", Tensor::from(values, exact.shape(), device).to(dtype));
  };
  CHECK(moved(0.9e-10 * largest, Dtype::f64).ok);
  CHECK_FALSE(moved(1.1e-10 * largest, Dtype::f64).ok);
  CHECK(moved(0.9e-4 * largest, Dtype::f32).ok);
  CHECK_FALSE(moved(1.1e-4 * largest, Dtype::f32).ok);
  CHECK_FALSE(moved(std::numeric_limits<double>::quiet_NaN(), Dtype::f64).ok);
  CHECK_FALSE(moved(std::numeric_limits<double>::infinity(), Dtype::f32).ok);
  CHECK_FALSE(golden.compare("grad_p", exact.reshape({exact.dim(1), exact.dim(0)})).ok);
}

TEST_CASE("a golden, tensor or entry that is missing is an error") {
  const Device device = make_device("reference");
  CHECK_THROWS_AS(Golden("no_such_golden", device), IoError);
  const Golden golden("mec_m_below_d_order_4", device);
  CHECK_THROWS_AS(golden.at("grad_q", Dtype::f64), IoError);
  CHECK_THROWS_AS(golden.text("no such key"), IoError);
  CHECK_THROWS_AS(golden.part("nothing."), IoError);
}
