// Arithmetic as it is written, named functions, and sums and means over a dimension.
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

TEST_CASE("operators: the shorter operand is repeated on either side, to the bit of one that is written out") {
  const Shape whole{2, 3, 4};
  for (const Device& device : {make_reference_device(), make_cpu_device()}) {
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      for (const Shape& shape : {Shape{2, 3, 4}, Shape{3, 4}, Shape{4}, Shape{}}) {
        CAPTURE(shape);
        CAPTURE(dtype);
        const Tensor a = normal(whole, device, 0, Dtype::f32).to(dtype), b = normal(shape, device, 1, Dtype::f32).to(dtype);
        const Tensor repeated = mul(Tensor::full(whole, 1.0, dtype, device), b);
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
                       "mul: shapes (2,3) and (2) are neither equal, nor is one the other's trailing dimensions; "
                       "reshape or transpose one of them",
                       ShapeError);
  CHECK_THROWS_WITH_AS(make({2}) - make({2, 3}), doctest::Contains("sub: shapes (2) and (2,3) are neither"), ShapeError);
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

TEST_CASE("operators: sums and means over a dimension of a matrix are PyTorch's") {
  const Tensor x = Tensor::from(Values{1, 2, 3, 4, 5, 6}, {2, 3}, make_reference_device());
  CHECK(mean(x).item() == doctest::Approx(3.5).epsilon(1e-15));
  CHECK(values(sum(x, 0)) == Values{5, 7, 9});
  CHECK(values(sum(x, -2)) == Values{5, 7, 9});
  CHECK(values(sum(x, 1)) == Values{6, 15});
  CHECK(values(sum(x, -1)) == Values{6, 15});
  CHECK(values(mean(x, 0)) == Values{2.5, 3.5, 4.5});
  CHECK(values(mean(x, 1)) == values(scale(sum(x, 1), 1.0 / 3)));
  CHECK(std::isnan(mean(Tensor::zeros({0}, Dtype::f32, x.device())).item()));
  CHECK_THROWS_WITH_AS(sum(x, 2),
                       "sum: over dimension 0 or 1 of a matrix, but dimension 2 of (2,3) was asked for; reshape it to a "
                       "matrix first",
                       ShapeError);
  CHECK_THROWS_AS(sum(x, -3), ShapeError);
  CHECK_THROWS_WITH_AS(mean(x.reshape({1, 2, 3}), 0), doctest::Contains("dimension 0 of (1,2,3)"), ShapeError);
  CHECK_THROWS_AS(sum(Tensor(), 0), ValueError);
}
