// Arithmetic as it is written, repeated operands, and named functions.
#include "mec/tensor/ops/operators.h"

#include <doctest/doctest.h>

#include <cmath>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

using Values = std::vector<double>;

Values values(const Tensor& t) { return t.to(Dtype::f64).to_vector<double>(); }

// What kernels compute in: float for f32 and bf16. The result has the dtype's digits.
template <class Operation> Values rounded(const Tensor& x, Dtype dtype, double number, Operation&& operation) {
  Values out;
  for (const double value : values(x)) {
    if (dtype == Dtype::f64) {
      out.push_back(operation(value, number));
    } else {
      const float result = operation(static_cast<float>(value), static_cast<float>(number));
      out.push_back(dtype == Dtype::bf16 ? static_cast<float>(bf16(result)) : result);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("operators: expand writes out what NumPy's rule repeats") {
  const Device device = make_cpu_device();
  const Shape from{3, 1, 2, 1}, to{2, 3, 4, 2, 5};
  const Tensor x = normal(from, device, 0, Dtype::f32);
  const auto in = values(x), out = values(expand(x, to));
  std::size_t at = 0;
  for (std::int64_t i = 0; i < 2 * 3 * 4 * 2 * 5; ++i) {
    const auto place = static_cast<std::size_t>(i / 40 % 3 * 2 + i / 5 % 2);
    at += out[static_cast<std::size_t>(i)] == in[place] ? 1 : 0;
  }
  CHECK(at == out.size());
  CHECK_THROWS_WITH_AS(expand(x, {3, 1, 3, 1}), doctest::Contains("expand: shapes (3,1,2,1) and (3,1,3,1) do not meet"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(expand(x, {3, 1, 2}), "expand: the input (3,1,2,1) does not repeat to (3,1,2)", ShapeError);
  CHECK_THROWS_WITH_AS(expand(x, {1, 1, 1, 1}), "expand: the input (3,1,2,1) does not repeat to (1,1,1,1)", ShapeError);
}

TEST_CASE("operators: a repeated operand on either side gives the bits of one that is written out") {
  const Shape whole{2, 3, 4};
  for (const Device& device : {make_reference_device(), make_cpu_device()}) {
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      for (const Shape& shape : {Shape{2, 3, 4}, Shape{3, 4}, Shape{4}, Shape{}, Shape{3, 1}, Shape{2, 1, 4}, Shape{1, 3, 1}}) {
        CAPTURE(shape);
        CAPTURE(dtype);
        const Tensor a = normal(whole, device, 0, Dtype::f32).to(dtype), b = normal(shape, device, 1, Dtype::f32).to(dtype);
        const Tensor repeated = expand(b, whole);
        CHECK(values(a + b) == values(a + repeated));
        CHECK(values(a - b) == values(a - repeated));
        CHECK(values(a * b) == values(a * repeated));
        CHECK(values(a / b) == values(a / repeated));
        CHECK(values(b + a) == values(repeated + a));
        CHECK(values(b - a) == values(repeated - a));
        CHECK(values(b * a) == values(repeated * a));
        CHECK(values(b / a) == values(repeated / a));
        for (const double zero : values(b - repeated)) CHECK_FALSE(std::signbit(zero));
      }
    }
  }
}

TEST_CASE("operators: beside a number f64 is computed in f64 and all else in f32") {
  constexpr double kNumber = 0.7;
  for (const Device& device : {make_reference_device(), make_cpu_device()}) {
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::f64}) {
      CAPTURE(device->name());
      CAPTURE(dtype);
      if (!device->supports(dtype)) continue;
      const Tensor x = normal({5, 3}, device, 0, Dtype::f32).to(dtype);
      const auto check_bits = [&](const Tensor& actual, auto operation) {
        CHECK(actual.dtype() == dtype);
        CHECK(values(actual) == rounded(x, dtype, kNumber, operation));
      };
      check_bits(x + kNumber, [](auto a, auto b) { return a + b; });
      check_bits(kNumber + x, [](auto a, auto b) { return a + b; });
      check_bits(x - kNumber, [](auto a, auto b) { return a - b; });
      check_bits(kNumber - x, [](auto a, auto b) { return b - a; });
      check_bits(x * kNumber, [](auto a, auto b) { return a * b; });
      check_bits(kNumber * x, [](auto a, auto b) { return a * b; });
      check_bits(x / kNumber, [](auto a, auto b) { return a / b; });
      check_bits(kNumber / x, [](auto a, auto b) { return b / a; });
      check_bits(-x, [](auto a, auto) { return -a; });
      check_bits(2 * x, [](auto a, auto) { return 2 * a; });  // whole numbers too
    }
  }
}

TEST_CASE("operators: an error names the operation, the rule, both values, and what to do") {
  const Device device = make_reference_device();
  const auto make = [&](const Shape& shape, Dtype dtype = Dtype::f32) { return Tensor::zeros(shape, dtype, device); };
  CHECK_THROWS_WITH_AS(make({2, 3}) * make({2}),
                       "mul: shapes (2,3) and (2) do not meet: 3 against 2 in dimension -1, where sizes are equal or one "
                       "is 1; reshape or transpose one of them",
                       ShapeError);
  CHECK_THROWS_WITH_AS(make({2}) - make({2, 3}), doctest::Contains("sub: shapes (2) and (2,3) do not meet: 2 against 3"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(make({0, 3}) + make({2, 3}), doctest::Contains("add: shapes (0,3) and (2,3) do not meet: 0 against 2"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(make({2, 3}) / make({3, 2}), doctest::Contains("div: shapes (2,3) and (3,2)"), ShapeError);
  CHECK_THROWS_WITH_AS(make({2}) + make({2}, Dtype::f64), "add: the second operand must be f32, but is f64", DtypeError);
  CHECK_THROWS_WITH_AS(1 + make({2}, Dtype::i32), doctest::Contains("add: the input is i32"), DtypeError);
  CHECK_THROWS_WITH_AS(make({2}, Dtype::i32) / 2, doctest::Contains("div: the input is i32"), DtypeError);
  CHECK_THROWS_WITH_AS(2 / make({2}, Dtype::i32), doctest::Contains("div: the input is i32"), DtypeError);
  CHECK_THROWS_WITH_AS(1 + Tensor(), "add: the input is an undefined tensor", ValueError);
}

TEST_CASE("operators: each named function is the one of its name") {
  const Tensor x = abs(normal({3, 5}, make_reference_device())) + 0.1;
  const std::pair<Tensor, UnaryOp> pairs[] = {
      {relu(-x), UnaryOp::relu}, {neg(-x), UnaryOp::neg},   {exp(-x), UnaryOp::exp},
      {log(x), UnaryOp::log},    {sqrt(x), UnaryOp::sqrt},  {square(-x), UnaryOp::square},
      {abs(-x), UnaryOp::abs},   {tanh(-x), UnaryOp::tanh}, {sigmoid(-x), UnaryOp::sigmoid}};
  for (const auto& pair : pairs) {
    const UnaryOp op = pair.second;
    CAPTURE(static_cast<int>(op));
    const bool positive = op == UnaryOp::log || op == UnaryOp::sqrt;
    CHECK(values(pair.first) == values(unary(op, positive ? x : -x)));
  }
}
