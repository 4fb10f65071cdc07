#include "mec/nn/optim/sgd.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "mec/autograd/ops.h"
#include "mec/nn/initialize.h"
#include "mec/nn/linear.h"
#include "mec/nn/sequential.h"
#include "mec/tensor/devices.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();
using Values = std::vector<double>;
using State = std::map<std::string, Values>;

Sequential network() {
  Sequential net;
  net.add(Linear({.in = 5, .out = 3}, {kDevice, Dtype::f64})).add(Linear({.in = 3, .out = 2}, {kDevice, Dtype::f64}));
  initialize(net, 4);
  return net;
}

void run_backward(const Module& net) {
  backward({net.forward(Variable(normal({6, 5}, kDevice)), kTraining)}, {normal({6, 2}, kDevice, 1)});
}

Tensor lr_of(double value) { return Tensor::full({1}, value, Dtype::f64, kDevice); }

State values_of(Module& net) {
  State state;
  for (const auto& p : parameters_of(net)) state[p.name] = p.parameter.value.data().to_vector<double>();
  return state;
}
State gradients_of(Module& net) {
  State state;
  for (const auto& p : parameters_of(net)) state[p.name] = p.parameter.value.grad().to_vector<double>();
  return state;
}

void check_close(const Values& actual, const Values& expected) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) CHECK(actual[i] == doctest::Approx(expected[i]).epsilon(1e-12).scale(1e-6));
}

double norm(const Values& v) {
  double squares = 0;
  for (const double x : v) squares += x * x;
  return std::sqrt(squares);
}

}  // namespace

TEST_CASE("momentum and weight decay are PyTorch's, over several steps with a changing learning rate") {
  Sequential net = network();
  ParameterTable table(net, {{.weight_decay = 0.1}});
  Sgd optimizer(table, {.momentum = 0.7});
  State w = values_of(net), v;
  for (const double lr : {0.0, 0.1, 0.05}) {
    table.clear_grads();
    run_backward(net);
    for (const auto& [name, g] : gradients_of(net)) {
      v[name].resize(g.size());
      for (std::size_t i = 0; i < g.size(); ++i) {
        v[name][i] = 0.7 * v[name][i] + g[i] + 0.1 * w[name][i];
        w[name][i] -= lr * v[name][i];
      }
    }
    optimizer.step(lr_of(lr));
    for (const auto& [name, now] : values_of(net)) check_close(now, w[name]);
  }
}

TEST_CASE("each group has its own decay, lr factor or constant lr") {
  Sequential net = network();
  ParameterTable table(net, {{.name = "biases", .kinds = {ParameterKind::bias}, .lr_factor = 3.0},
                             {.name = "last", .prefix = "1.", .constant_lr = 0.5},
                             {.name = "rest", .weight_decay = 0.2}});
  Sgd optimizer(table);
  run_backward(net);
  const State before = values_of(net), g = gradients_of(net);
  optimizer.step(lr_of(0.1));
  for (const auto& [parameter, now] : values_of(net)) {
    const std::string name = parameter;
    CAPTURE(name);
    Values expected = before.at(name);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double gradient = g.at(name)[i] + (name == "0.weight" ? 0.2 * expected[i] : 0.0);
      expected[i] -= (name == "1.weight" ? 0.5 : name == "0.weight" ? 0.1 : 0.3) * gradient;
    }
    check_close(now, expected);
  }
}

TEST_CASE("without options there is no momentum, as in PyTorch") {
  Sequential net = network();
  ParameterTable table(net);
  Sgd optimizer(table);
  State w = values_of(net);
  for (int step = 0; step < 2; ++step) {
    table.clear_grads();
    run_backward(net);
    for (const auto& [name, g] : gradients_of(net)) {
      for (std::size_t i = 0; i < g.size(); ++i) w[name][i] -= 1e-3 * g[i];
    }
    optimizer.step();
  }
  for (const auto& [name, now] : values_of(net)) check_close(now, w[name]);
}

TEST_CASE("LARS scales what enters each parameter's momentum by its trust ratio, and leaves excluded groups alone") {
  Sequential net = network();
  ParameterTable table(
      net, {{.name = "biases", .kinds = {ParameterKind::bias}, .lars = false}, {.name = "rest", .weight_decay = 0.2}});
  Sgd optimizer(table, {.momentum = 0.9, .lars_eta = 0.01});
  State velocity;
  for (const double lr :
       // An lr outside and a trust ratio inside the momentum differ from the second step on.
       {0.1, 0.4, 0.02}) {
    table.clear_grads();
    run_backward(net);
    const State before = values_of(net), g = gradients_of(net);
    optimizer.step(lr_of(lr));
    for (const auto& [parameter, now] : values_of(net)) {
      const std::string name = parameter;
      CAPTURE(name);
      Values expected = before.at(name);
      const bool weight = name.ends_with("weight");
      const double decay = weight ? 0.2 : 0.0;
      const double trust = weight ? 0.01 * norm(expected) / (norm(g.at(name)) + decay * norm(expected)) : 1.0;
      Values& v = velocity[name];
      v.resize(expected.size(), 0.0);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        v[i] = 0.9 * v[i] + trust * (g.at(name)[i] + decay * expected[i]);
        expected[i] -= lr * v[i];
      }
      check_close(now, expected);
    }
  }
}

TEST_CASE("a parameter that requires no gradient stays as it is, with its group's decay and under LARS too") {
  for (const bool lars : {false, true}) {
    Sequential net = network();
    auto entries = parameters_of(net);
    entries[1].parameter.value.set_requires_grad(false);  // 0.bias
    ParameterTable table(net, {{.weight_decay = 0.2}});
    Sgd optimizer(table, {.lars_eta = lars ? std::optional(0.01) : std::nullopt});
    const State before = values_of(net);
    for (int step = 0; step < 2; ++step) {
      table.clear_grads();
      run_backward(net);
      optimizer.step(lr_of(0.1));
    }
    const State after = values_of(net);
    CHECK(after.at("0.bias") == before.at("0.bias"));
    CHECK(after.at("0.weight") != before.at("0.weight"));
    CHECK(after.at("1.bias") != before.at("1.bias"));
  }
}

TEST_CASE("the space between parameters is zero and stays zero") {
  Sequential net = network();
  ParameterTable table(net, {{.weight_decay = 0.2}});
  Sgd optimizer(table, {.lars_eta = 0.01});
  run_backward(net);
  optimizer.step(lr_of(0.1));
  Values inside = table.values().to_vector<double>(), momentum = optimizer.state()[0].tensor.to_vector<double>();
  for (const auto& entry : table.entries()) {
    std::fill_n(inside.begin() + entry.offset, entry.shape.numel(), 0.0);
    std::fill_n(momentum.begin() + entry.offset, entry.shape.numel(), 0.0);
  }
  CHECK(inside == Values(inside.size(), 0.0));
  CHECK(momentum == Values(momentum.size(), 0.0));
}

TEST_CASE("a restored optimiser goes on as if it had never stopped") {
  const auto step = [](Sequential& net, ParameterTable& table, Sgd& optimizer) {
    table.clear_grads();
    run_backward(net);
    optimizer.step(lr_of(0.1));
  };
  Sequential net = network(), resumed = network();
  ParameterTable table(net), resumed_table(resumed);
  Sgd optimizer(table, {.momentum = 0.9});
  step(net, table, optimizer);
  Sgd fresh(resumed_table, {.momentum = 0.9});
  resumed_table.values().copy_from(table.values());
  fresh.state()[0].tensor.copy_from(optimizer.state()[0].tensor);
  step(net, table, optimizer);
  step(resumed, resumed_table, fresh);
  CHECK(values_of(resumed) == values_of(net));
}

TEST_CASE("the optimiser refuses settings out of range and a learning rate of another dtype") {
  Sequential net = network();
  ParameterTable table(net);
  CHECK_THROWS_AS(Sgd(table, {.momentum = 1.0}), ValueError);
  CHECK_THROWS_AS(Sgd(table, {.lars_eta = 0.0}), ValueError);
  Sgd optimizer(table);
  CHECK_THROWS_AS(optimizer.step(Tensor::full({1}, 0.1, Dtype::f32, kDevice)), DtypeError);
}
