#include "mec/nn/initialize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mec/nn/convolution.h"
#include "mec/nn/linear.h"
#include "mec/nn/sequential.h"
#include "mec/tensor/devices.h"
#include "support/samples.h"

using namespace mec;

namespace {

const Device kDevice = make_reference_device();

struct Moments {
  double mean = 0, std = 0, largest = 0;
};

Moments moments(const Tensor& t) {
  Moments m;
  const auto values = t.to_vector<float>();
  for (const float v : values) {
    m.mean += v;
    m.std += double{v} * v;
    m.largest = std::max(m.largest, std::fabs(double{v}));
  }
  m.mean /= static_cast<double>(values.size());
  m.std = std::sqrt(m.std / static_cast<double>(values.size()) - m.mean * m.mean);
  return m;
}

std::vector<float> values_of(const Parameter& p) { return p.value.data().to_vector<float>(); }

}  // namespace

TEST_CASE("what is to be drawn is NaN until it is") {
  Linear layer({.in = 3, .out = 2}, kDevice);
  CHECK(std::isnan(values_of(layer.weight)[0]));
  initialize(layer, 1);
  CHECK(std::ranges::none_of(values_of(layer.weight), [](float v) { return std::isnan(v); }));
}

// Bounds of four standard errors: 1/√n for a mean in units of σ, 1/√(2n) for σ itself.
TEST_CASE("convolutions start from a normal with variance 2/fan_out") {
  Conv2d layer({.in = 64, .out = 32, .kernel = 3}, kDevice);
  initialize(layer, 1);
  const double expected = std::sqrt(2.0 / (32 * 9)), n = 64 * 32 * 9;
  const Moments m = moments(layer.weight.value.data());
  CHECK(std::fabs(m.mean) < 4 * expected / std::sqrt(n));
  CHECK(m.std == doctest::Approx(expected).epsilon(4 / std::sqrt(2 * n)));
  // 18,432 normal draws pass 3.5σ; uniform ones would end at 1.7σ.
  CHECK(m.largest > 3.5 * expected);
}

TEST_CASE("linear layers start from U(±1/√fan_in), the bias too") {
  Linear layer({.in = 100, .out = 200}, kDevice);
  initialize(layer, 1);
  for (const Parameter* p : {&layer.weight, &layer.bias}) {
    const Moments m = moments(p->value.data());
    CHECK(m.largest <= 0.1);
    CHECK(m.largest > 0.095);
    CHECK(std::fabs(m.mean) < 4 * 0.1 / std::sqrt(3.0 * 200));
  }
}

TEST_CASE("values depend on seed and name, not on other layers, padding or precision") {
  const auto linear = [](Dtype dtype) { return Linear({.in = 5, .out = 4}, {kDevice, dtype}); };
  Linear alone = linear(Dtype::f32);
  initialize(alone, 9, "head.2.");
  Sequential net;
  net.add(linear(Dtype::f32)).add(linear(Dtype::f32)).add(linear(Dtype::f32));
  initialize(net, 9, "head.");
  const auto in_net = parameters_of(net);
  CHECK(values_of(in_net[4].parameter) == values_of(alone.weight));  // head.2.weight
  CHECK(values_of(in_net[0].parameter) != values_of(alone.weight));
  initialize(alone, 10, "head.2.");
  CHECK(values_of(in_net[4].parameter) != values_of(alone.weight));

  Linear wide = linear(Dtype::f64);
  initialize(wide, 9, "head.2.");
  const auto doubles = wide.weight.value.data().to_vector<double>();
  const auto floats = values_of(in_net[4].parameter);
  for (std::size_t i = 0; i < doubles.size(); ++i)
    CHECK(floats[i] == doctest::Approx(doubles[i]).epsilon(1e-6));  // f32 rounding

  Conv2d plain({.in = 3, .out = 2, .kernel = 3}, kDevice), padded({.in = 3, .out = 2, .kernel = 3, .stored_in = 8}, kDevice);
  initialize(plain, 9);
  initialize(padded, 9);
  CHECK(padded.weight.value.shape() == Shape{2, 3, 3, 8});
  const auto few = values_of(plain.weight), many = values_of(padded.weight);
  for (std::size_t i = 0; i < many.size(); ++i) CHECK(many[i] == (i % 8 < 3 ? few[i / 8 * 3 + i % 8] : 0.0F));
}
