#include <doctest/doctest.h>

#include <cmath>

#include "mec/autograd/gradcheck.h"
#include "mec/autograd/ops.h"
#include "mec/nn/batch_norm.h"
#include "mec/nn/convolution.h"
#include "mec/nn/initialize.h"
#include "mec/nn/linear.h"
#include "mec/nn/sequential.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/matmul.h"
#include "mec/tensor/ops/operators.h"
#include "support/compare.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();
const Placement kDouble(kDevice, Dtype::f64);

std::vector<std::string> names_of(Module& module) {
  std::vector<std::string> names;
  for (const auto& p : parameters_of(module)) names.push_back(p.name);
  return names;
}

Sequential projector(const Placement& where) {
  Sequential net;
  net.add(Linear({.in = 4, .out = 6, .bias = false}, where)).add(BatchNorm({.channels = 6}, where)).add(ReLU());
  net.add(Linear({.in = 6, .out = 3}, where)).add(BatchNorm({.channels = 3, .affine = false}, where));
  return net;
}

}  // namespace

TEST_CASE("a linear layer is x Wᵀ + b") {
  Linear layer({.in = 4, .out = 3}, kDouble);
  initialize(layer, 1);
  const Tensor x = normal({5, 4}, kDevice);
  const Tensor expected = add(matmul(x, layer.weight.value.data(), {.trans_b = true}), layer.bias.value.data());
  const Comparison same = compare(layer.forward(Variable(x), kTraining).data(), expected, {.relative = 1e-14, .of_rms = 1e-14});
  CHECK_MESSAGE(same.ok, same.message);
  CHECK_THROWS_AS(layer.forward(Variable(normal({5, 3}, kDevice)), kTraining), ShapeError);
  CHECK_THROWS_AS(Linear({.in = 0, .out = 3}, kDouble), ValueError);
}

TEST_CASE("a convolution takes groups, a bias and its arguments") {
  Conv2d layer({.in = 4, .out = 6, .kernel = 3, .stride = 2, .pad = 1, .groups = 2, .bias = true}, kDouble);
  initialize(layer, 1);
  CHECK(layer.weight.value.shape() == Shape{6, 3, 3, 2});
  const Variable x(normal({2, 5, 5, 4}, kDevice));
  const Tensor y = layer.forward(x, kTraining).data();
  CHECK(y.shape() == Shape{2, 3, 3, 6});
  const Tensor plain = conv2d(x.data(), layer.weight.value.data(), {.stride = 2, .pad = 1, .groups = 2});
  CHECK(y.to_vector<double>() == add(plain, layer.bias.value.data()).to_vector<double>());
  CHECK_THROWS_AS(Conv2d({.in = 4, .out = 6, .groups = 4}, kDouble), ValueError);
}

TEST_CASE("a module is called like a function: in training unless another pass is given") {
  BatchNorm norm({.channels = 3}, kDouble), other({.channels = 3}, kDouble);
  const Tensor x = normal({4, 3}, kDevice);
  const auto numbers = [](const Variable& v) { return v.data().to_vector<double>(); };
  CHECK(numbers(norm(x)) == numbers(other.forward(Variable(x), kTraining)));
  CHECK(norm.running.mean.to_vector<double>() == other.running.mean.to_vector<double>());
  CHECK(numbers(norm(Variable(x))) == numbers(other.forward(Variable(x), kTraining)));
  CHECK(numbers(norm(x, kEvaluation)) == numbers(other.forward(Variable(x), kEvaluation)));
  CHECK(numbers(norm(Variable(x), kEvaluation)) != numbers(norm(x)));
}

TEST_CASE("a parameter is a variable in arithmetic, and gets its gradient there") {
  Linear layer({.in = 4, .out = 3}, kDouble);
  initialize(layer, 1);
  const Tensor w = layer.weight.value.data();
  const Variable loss = sum(1 - 2 * layer.weight * layer.weight + layer.weight / 4 - (-layer.weight));
  loss.backward();
  const Tensor expected = 1.25 - 4 * w;
  const Comparison same = compare(layer.weight.value.grad(), expected, {.relative = 1e-14, .of_rms = 1e-14});
  CHECK_MESSAGE(same.ok, same.message);
}

TEST_CASE("batch norm normalises by the batch and keeps running statistics as PyTorch does") {
  BatchNorm norm({.channels = 2, .momentum = 0.1}, kDouble);
  // Columns with mean 2 and biased variance 1; mean −1 and biased variance 4.
  const Tensor x = Tensor::from(std::vector<double>{1, -3, 3, 1, 1, -3, 3, 1}, {4, 2}, kDevice);
  const auto y = norm.forward(Variable(x), kTraining).data().to_vector<double>();
  CHECK(y[0] == doctest::Approx(-1 / std::sqrt(1 + 1e-5)).epsilon(1e-12));
  CHECK(y[3] == doctest::Approx(2 / std::sqrt(4 + 1e-5)).epsilon(1e-12));
  CHECK(norm.running.mean.to_vector<double>()[0] == doctest::Approx(0.1 * 2).epsilon(1e-12));
  CHECK(norm.running.var.to_vector<double>()[1] == doctest::Approx(0.9 + 0.1 * 4 * 4.0 / 3).epsilon(1e-12));  // unbiased

  const auto mean = norm.running.mean.to_vector<double>();
  norm.forward(Variable(x), {.training = true, .update_running = false});
  norm.forward(Variable(x), kEvaluation);
  CHECK(norm.running.mean.to_vector<double>() == mean);
  const double expected = (1 - mean[0]) / std::sqrt(norm.running.var.to_vector<double>()[0] + 1e-5);
  CHECK(norm.forward(Variable(x), kEvaluation).data().to_vector<double>()[0] == doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("batch norm folds in the mean over a batch's parts once") {
  BatchNorm norm({.channels = 2, .momentum = 0.3}, kDouble);
  const Tensor x = normal({12, 2}, kDevice);
  std::vector<double> mean(2), var(2);
  for (std::int64_t part = 0; part < 3; ++part) {
    const Tensor rows = x.rows(4 * part, 4 * part + 4);
    norm.forward(Variable(rows), {.part = part, .parts = 3});
    const BatchNormStatistics statistics = batch_norm_statistics(rows);
    for (std::size_t c = 0; c < 2; ++c) {
      mean[c] += statistics.mean.to_vector<double>()[c] / 3;
      var[c] += statistics.var.to_vector<double>()[c] * (4.0 / 3) / 3;  // unbiased
    }
  }
  for (std::size_t c = 0; c < 2; ++c) {
    CHECK(norm.running.mean.to_vector<double>()[c] == doctest::Approx(0.3 * mean[c]).epsilon(1e-12));
    CHECK(norm.running.var.to_vector<double>()[c] == doctest::Approx(0.7 + 0.3 * var[c]).epsilon(1e-12));
  }
}

TEST_CASE("batch norm refuses another number of channels before it touches its running statistics") {
  BatchNorm norm({.channels = 3, .affine = false}, kDouble);
  const std::string message = message_of<ShapeError>([&] { norm.forward(Variable(normal({4, 2}, kDevice)), kTraining); });
  CHECK(contains(message, "(4,2)"));
  CHECK(contains(message, "3 channels"));
  CHECK(norm.running.mean.to_vector<double>() == std::vector<double>(3, 0.0));
}

TEST_CASE("residual and ReLU within a batch norm are what they are behind it") {
  BatchNorm norm({.channels = 3}, kDouble);
  const Variable x(normal({2, 2, 2, 3}, kDevice)), residual(normal({2, 2, 2, 3}, kDevice, 1));
  const Pass still{.training = true, .update_running = false};
  const Tensor fused = norm.forward_fused(x, {.residual = residual, .relu = true}, still).data();
  const Tensor apart = relu(add(norm.forward(x, still), residual)).data();
  CHECK(fused.to_vector<double>() == apart.to_vector<double>());
}

TEST_CASE("a sequence is named and numbered as in PyTorch") {
  Sequential net = projector(kDouble);
  CHECK(names_of(net) == std::vector<std::string>{"0.weight", "1.weight", "1.bias", "3.weight", "3.bias"});
  std::vector<std::string> buffers;
  for (const auto& b : buffers_of(net, "head.")) buffers.push_back(b.name);
  CHECK(buffers ==
        std::vector<std::string>{"head.1.running_mean", "head.1.running_var", "head.4.running_mean", "head.4.running_var"});
}

TEST_CASE("a sequence equals its layers one by one, though it folds ReLU into the norm") {
  Sequential net = projector(kDouble);
  initialize(net, 3);
  const auto p = parameters_of(net);
  const Variable x(normal({5, 4}, kDevice));
  const Pass still{.training = true, .update_running = false};
  const std::size_t before = kDevice->allocator().stats().allocations;
  const Variable y = net.forward(x, still);
  const std::size_t fused = kDevice->allocator().stats().allocations - before;

  BatchNorm first({.channels = 6}, kDouble), second({.channels = 3, .affine = false}, kDouble);
  const std::size_t start = kDevice->allocator().stats().allocations;
  const Variable hidden = relu(first.forward(linear(x, p[0].parameter, {}), still));
  const Variable expected = second.forward(linear(hidden, p[3].parameter, p[4].parameter), still);
  const std::size_t apart = kDevice->allocator().stats().allocations - start;
  CHECK(y.data().to_vector<double>() == expected.data().to_vector<double>());
  CHECK(fused == apart - 1);  // the ReLU's own output is never made
}

TEST_CASE("max pool and ReLU stand as layers, and a ReLU without a norm before it still runs") {
  Sequential net;
  net.add(ReLU()).add(MaxPool2d({.kernel = 2, .stride = 2, .pad = 0}));
  const Tensor x = Tensor::from(std::vector<double>{-1, -2, -3, -4}, {1, 2, 2, 1}, kDevice);
  CHECK(net.forward(Variable(x), kTraining).data().item() == 0.0);
  CHECK(names_of(net).empty());
}

TEST_CASE("a small network's gradients agree with differences") {
  Sequential net = projector(kDouble);
  initialize(net, 3);
  auto entries = parameters_of(net);
  std::vector<Tensor> inputs{normal({5, 4}, kDevice)};
  for (const auto& entry : entries) inputs.push_back(entry.parameter.value.data());
  const auto f = [](const std::vector<Variable>& in) {
    const BatchNormOptions first{.relu = true, .update_running = false}, second{.update_running = false};
    const Variable hidden = batch_norm(linear(in[0], in[1], {}), in[2], in[3], {}, {}, first);
    return batch_norm(linear(hidden, in[4], in[5]), {}, {}, {}, {}, second);
  };
  const GradcheckResult result = gradcheck(f, inputs);
  CHECK_MESSAGE(result.ok, result.message);
}
