#include "mec/nn/optim/adamw.h"

#include <doctest/doctest.h>

#include "mec/autograd/ops.h"
#include "mec/nn/files/checkpoint.h"
#include "mec/nn/initialize.h"
#include "mec/nn/linear.h"
#include "mec/nn/sequential.h"
#include "mec/tensor/devices.h"
#include "support/golden.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

Sequential network() {
  Sequential net;
  net.add(Linear({.in = 5, .out = 3}, {kDevice, Dtype::f64})).add(Linear({.in = 3, .out = 2}, {kDevice, Dtype::f64}));
  initialize(net, 4);
  return net;
}

void step(Sequential& net, ParameterTable& table, AdamW& optimizer) {
  table.clear_grads();
  backward({net.forward(Variable(normal({6, 5}, kDevice)), kTraining)}, {normal({6, 2}, kDevice, 1)});
  optimizer.step(Tensor::full({1}, 0.01, Dtype::f64, kDevice));
}

}  // namespace

TEST_CASE("AdamW's steps are PyTorch's") {
  for (const auto& [device_name, dtype] : kGoldenSettings) {
    const Device device = make_device(device_name);
    CAPTURE(device->name());
    const Golden golden("adamw", device);
    const Shape shape = golden.at("weight", dtype).shape();
    Linear layer({.in = shape[1], .out = shape[0]}, {device, dtype});
    ParameterTable table(layer,
                         {{.name = "weight", .kinds = {ParameterKind::weight}, .weight_decay = golden.number("weight_decay")},
                          {.name = "bias"}});
    AdamW optimizer(table, {.beta1 = golden.number("beta1"), .beta2 = golden.number("beta2"), .eps = golden.number("eps")});
    const auto parameters = parameters_of(layer);
    for (const NamedParameter& p : parameters) p.parameter.value.data().copy_from(golden.at(p.name, dtype));
    for (std::int64_t t = 0; t < golden.integer("steps"); ++t) {
      table.clear_grads();
      for (const NamedParameter& p : parameters) {
        // The gradient of Σ value ∗ g is g.
        backward(sum(mul(p.parameter.value, Variable(golden.at(concat("grad.", t, ".", p.name), dtype)))));
      }
      optimizer.step(golden.at("rates", dtype).segment(t, {1}));
    }
    for (const NamedParameter& p : parameters) {
      const Comparison same = golden.compare("end." + p.name, p.parameter.value.data());
      CHECK_MESSAGE(same.ok, same.message);
    }
  }
}

TEST_CASE("a restored AdamW goes on as if it had never stopped, its count of steps included") {
  Sequential net = network(), resumed = network();
  ParameterTable table(net), resumed_table(resumed);
  AdamW optimizer(table), fresh(resumed_table);
  for (int i = 0; i < 3; ++i) step(net, table, optimizer);
  const State saved = state_of(optimizer, table, net), restored = state_of(fresh, resumed_table, resumed);
  REQUIRE(saved.size() == restored.size());
  CHECK(saved.size() == 2 * 4 + 1);
  for (std::size_t i = 0; i < saved.size(); ++i) {
    CHECK(saved[i].name == restored[i].name);
    restored[i].tensor.copy_from(saved[i].tensor);
  }
  resumed_table.values().copy_from(table.values());
  step(net, table, optimizer);
  step(resumed, resumed_table, fresh);
  CHECK(resumed_table.values().to_vector<double>() == table.values().to_vector<double>());
}

TEST_CASE("AdamW leaves a frozen parameter and the space between parameters as they are") {
  Sequential net = network();
  auto entries = parameters_of(net);
  entries[1].parameter.value.set_requires_grad(false);  // 0.bias
  ParameterTable table(net, {{.weight_decay = 0.2}});
  AdamW optimizer(table);
  const auto bias = entries[1].parameter.value.data().to_vector<double>();
  for (int i = 0; i < 2; ++i) step(net, table, optimizer);
  CHECK(entries[1].parameter.value.data().to_vector<double>() == bias);
  auto inside = table.values().to_vector<double>();
  for (const auto& entry : table.entries()) std::fill_n(inside.begin() + entry.offset, entry.shape.numel(), 0.0);
  CHECK(inside == std::vector<double>(inside.size(), 0.0));
}

TEST_CASE("AdamW's groups have their own lr factor and decay") {
  Sequential net = network(), plain = network();
  ParameterTable table(net, {{.name = "biases", .kinds = {ParameterKind::bias}, .lr_factor = 3.0},
                             {.name = "rest", .weight_decay = 0.2}});
  ParameterTable plain_table(plain);
  AdamW optimizer(table), plain_optimizer(plain_table);
  const auto values = [](Module& of) {
    std::vector<std::vector<double>> all;
    for (const auto& p : parameters_of(of)) all.push_back(p.parameter.value.data().to_vector<double>());
    return all;
  };
  const auto before = values(net);
  step(net, table, optimizer);
  step(plain, plain_table, plain_optimizer);
  const auto after = values(net), plainly = values(plain);
  for (std::size_t p = 0; p < before.size(); ++p) {
    const bool is_bias = p % 2 == 1;
    for (std::size_t i = 0; i < before[p].size(); ++i) {
      // The learning rate is 0.01, and decay is apart from the gradient.
      const double change = plainly[p][i] - before[p][i];
      CHECK(after[p][i] - before[p][i] ==
            doctest::Approx(is_bias ? 3 * change : change - 0.01 * 0.2 * before[p][i]).epsilon(1e-9));
    }
  }
}

TEST_CASE("AdamW refuses settings out of range and a learning rate of another dtype") {
  Sequential net = network();
  ParameterTable table(net);
  CHECK_THROWS_WITH_AS(AdamW(table, {.beta2 = 1.0}), doctest::Contains("beta1 and beta2 lie in [0,1), but one is 1"),
                       ValueError);
  CHECK_THROWS_WITH_AS(AdamW(table, {.eps = 0.0}), doctest::Contains("eps is positive, but is 0"), ValueError);
  AdamW optimizer(table);
  CHECK_THROWS_AS(optimizer.step(Tensor::full({1}, 0.1, Dtype::f32, kDevice)), DtypeError);
}
