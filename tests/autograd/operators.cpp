// Arithmetic as it is written, against central differences in f64.
#include "mec/autograd/ops/operators.h"

#include <doctest/doctest.h>

#include "mec/autograd/gradcheck.h"
#include "mec/autograd/ops/dimension.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/dimension.h"
#include "mec/tensor/ops/operators.h"
#include "support/compare.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();
using Inputs = std::vector<Variable>;

void check_gradient(const std::function<Variable(const Inputs&)>& f, const std::vector<Tensor>& inputs) {
  const GradcheckResult result = gradcheck(f, inputs);
  CHECK_MESSAGE(result.ok, result.message);
}

// Of both signs, and far enough from the pole of 1/x.
Tensor sample(const Shape& shape, std::uint32_t stream = 0) {
  const Tensor x = normal(shape, kDevice, stream);
  return x + 0.5 * x / abs(x);
}

}  // namespace

TEST_CASE("operators between variables have the gradients that differences give, whichever is shorter") {
  const Shape whole{2, 3, 4};
  for (const Shape& part : {Shape{2, 3, 4}, Shape{3, 4}, Shape{4}, Shape{}, Shape{3, 1}, Shape{2, 1, 4}, Shape{1, 3, 1}}) {
    for (const auto& shapes : {std::pair(whole, part), std::pair(part, whole)}) {
      const Shape &a = shapes.first, &b = shapes.second;
      CAPTURE(a);
      CAPTURE(b);
      const std::vector<Tensor> inputs{sample(a), sample(b, 1)};
      check_gradient([](const Inputs& in) { return in[0] + in[1]; }, inputs);
      check_gradient([](const Inputs& in) { return in[0] - in[1]; }, inputs);
      check_gradient([](const Inputs& in) { return in[0] * in[1]; }, inputs);
      check_gradient([](const Inputs& in) { return in[0] / in[1]; }, inputs);
    }
  }
}

TEST_CASE("operands that both repeat, and one that expands, have the gradients that differences give") {
  const std::vector<Tensor> inputs{sample({2, 1, 3, 1}), sample({4, 1, 2}, 1)};
  check_gradient([](const Inputs& in) { return in[0] + in[1]; }, inputs);
  check_gradient([](const Inputs& in) { return in[0] - in[1]; }, inputs);
  check_gradient([](const Inputs& in) { return in[0] * in[1]; }, inputs);
  check_gradient([](const Inputs& in) { return in[0] / in[1]; }, inputs);
  check_gradient([](const Inputs& in) { return expand(in[0], {5, 2, 4, 3, 2}); }, inputs);
}

TEST_CASE("a tensor on either side of an operator is a constant") {
  const Tensor c = sample({4}, 1);
  const std::vector<Tensor> inputs{sample({3, 4})};
  check_gradient([&](const Inputs& in) { return in[0] + c; }, inputs);
  check_gradient([&](const Inputs& in) { return c + in[0]; }, inputs);
  check_gradient([&](const Inputs& in) { return in[0] - c; }, inputs);
  check_gradient([&](const Inputs& in) { return c - in[0]; }, inputs);
  check_gradient([&](const Inputs& in) { return in[0] * c; }, inputs);
  check_gradient([&](const Inputs& in) { return c * in[0]; }, inputs);
  check_gradient([&](const Inputs& in) { return in[0] / c; }, inputs);
  check_gradient([&](const Inputs& in) { return c / in[0]; }, inputs);
  const Variable x(sample({3, 4}));
  const auto values = [](const Variable& v) { return v.data().to_vector<double>(); };
  CHECK(values(c - x) == values(Variable(c) - x));
  CHECK(values(c / x) == values(Variable(c) / x));
}

TEST_CASE("operators with a number on either side have the gradients that differences give") {
  const std::vector<Tensor> inputs{sample({3, 4})};
  check_gradient([](const Inputs& in) { return in[0] + 1.5; }, inputs);
  check_gradient([](const Inputs& in) { return 1.5 + in[0]; }, inputs);
  check_gradient([](const Inputs& in) { return in[0] - 1.5; }, inputs);
  check_gradient([](const Inputs& in) { return 1.5 - in[0]; }, inputs);
  check_gradient([](const Inputs& in) { return in[0] * 1.5; }, inputs);
  check_gradient([](const Inputs& in) { return 1.5 * in[0]; }, inputs);
  check_gradient([](const Inputs& in) { return in[0] / 1.5; }, inputs);
  check_gradient([](const Inputs& in) { return 1.5 / in[0]; }, inputs);
  check_gradient([](const Inputs& in) { return -in[0]; }, inputs);
}

TEST_CASE("operators, sums and means of variables have the values of those of tensors") {
  const Tensor x = sample({3, 4}), y = sample({4}, 1);
  const Variable a(x), b(y);
  const std::pair<Variable, Tensor> pairs[] = {
      {a + b, x + y},          {b - a, y - x},         {a * b, x * y},         {b / a, y / x},     {-a, -x},
      {a + 1.5, x + 1.5},      {1.5 + a, x + 1.5},     {a - 1.5, x - 1.5},     {1.5 - a, 1.5 - x}, {a * 1.5, x * 1.5},
      {1.5 * a, x * 1.5},      {a / 1.5, x / 1.5},     {1.5 / a, 1.5 / x},     {2 * a, x + x},     {neg(a), -x},
      {abs(a), abs(x)},        {sum(a, 0), sum(x, 0)}, {sum(a, 1), sum(x, 1)}, {mean(a), mean(x)}, {mean(a, 0), mean(x, 0)},
      {mean(a, 1), mean(x, 1)}};
  for (const auto& [variable, tensor] : pairs) CHECK(variable.data().to_vector<double>() == tensor.to_vector<double>());
}

TEST_CASE("operators keep bf16 gradients close to those in f64, the sum of a repeated operand too") {
  const auto gradients = [](Dtype dtype) {
    // The same numbers in both: what bf16 holds.
    const auto leaf = [&](const Shape& shape, std::uint32_t stream) {
      return Variable(sample(shape, stream).to(Dtype::bf16).to(dtype), true);
    };
    const Variable a = leaf({64, 8}, 0), b = leaf({8}, 1);
    const Variable y = 1 - b / (a * 3 + 0.7) - (b - a) / 3;
    backward({y}, {normal({64, 8}, kDevice, 2).to(Dtype::bf16).to(dtype)});
    CHECK(a.grad().dtype() == dtype);
    CHECK(b.grad().dtype() == dtype);
    return std::pair(a.grad(), b.grad());
  };
  const auto exact = gradients(Dtype::f64), rounded = gradients(Dtype::bf16);
  // Some five roundings to eight bits, each 2⁻⁹ of a value.
  CHECK_MESSAGE(compare(rounded.first, exact.first, {.relative = 0.02, .of_rms = 0.02}), "the gradient of a");
  CHECK_MESSAGE(compare(rounded.second, exact.second, {.relative = 0.02, .of_rms = 0.02}), "the gradient of b");
}

TEST_CASE("operators on variables refuse shapes under the operation's name") {
  const Variable a(sample({2, 3}), true), b(sample({2}), true);
  CHECK_THROWS_WITH_AS(a + b, doctest::Contains("add: shapes (2,3) and (2) do not meet"), ShapeError);
  CHECK_THROWS_WITH_AS(b / a, doctest::Contains("div: shapes (2) and (2,3) do not meet"), ShapeError);
}
