// Every differentiable operation against central differences, in f64.
#include <doctest/doctest.h>

#include <cmath>

#include "mec/autograd/gradcheck.h"
#include "mec/autograd/ops.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/batch_norm.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

using Inputs = std::vector<Variable>;
using Function = std::function<Variable(const Inputs&)>;

void check_gradient(const Function& f, const std::vector<Tensor>& inputs) {
  const GradcheckResult result = gradcheck(f, inputs);
  CHECK_MESSAGE(result.ok, result.message);
}

Tensor sample(const Shape& shape, std::uint32_t stream = 0) { return normal(shape, kDevice, stream); }

// Normal numbers moved to |x| ≥ 0.2: no difference quotient then straddles a kink or a pole at 0.
Tensor away_from_zero(const Shape& shape, std::uint32_t stream = 0) {
  auto values = sample(shape, stream).to_vector<double>();
  for (double& v : values) v += v < 0 ? -0.2 : 0.2;
  return Tensor::from(values, shape, kDevice);
}

Tensor positive(const Shape& shape) { return abs(away_from_zero(shape)); }

BatchNormStatistics statistics_of(std::int64_t channels) { return {sample({channels}, 8), positive({channels})}; }

}  // namespace

TEST_CASE("element-wise operations have the gradients that differences give") {
  for (const UnaryOp op :
       {UnaryOp::relu, UnaryOp::neg, UnaryOp::exp, UnaryOp::square, UnaryOp::abs, UnaryOp::tanh, UnaryOp::sigmoid}) {
    CAPTURE(static_cast<int>(op));
    check_gradient([op](const Inputs& in) { return unary(op, in[0]); }, {away_from_zero({3, 4})});
  }
  check_gradient([](const Inputs& in) { return log(in[0]); }, {positive({3, 4})});
  check_gradient([](const Inputs& in) { return sqrt(in[0]); }, {positive({3, 4})});
}

TEST_CASE("binary operations have gradients for both operands, a repeated one too") {
  for (const Shape& b : {Shape{2, 3, 4}, Shape{3, 4}, Shape{4}, Shape{}}) {
    CAPTURE(b);
    const std::vector<Tensor> inputs{sample({2, 3, 4}), away_from_zero(b, 1)};
    check_gradient([](const Inputs& in) { return add(in[0], in[1]); }, inputs);
    check_gradient([](const Inputs& in) { return sub(in[0], in[1]); }, inputs);
    check_gradient([](const Inputs& in) { return mul(in[0], in[1]); }, inputs);
    check_gradient([](const Inputs& in) { return div(in[0], in[1]); }, inputs);
  }
}

TEST_CASE("an operand without elements has a gradient without elements") {
  const Variable a(sample({3, 0}), true), b(sample({0}), true);
  backward({add(a, b)}, {sample({3, 0})});
  CHECK(a.grad().shape() == Shape{3, 0});
  CHECK(b.grad().shape() == Shape{0});
}

TEST_CASE("sums, scalings and changes of shape have the gradients that differences give") {
  check_gradient([](const Inputs& in) { return scale(in[0], -2.5); }, {sample({3, 4})});
  check_gradient([](const Inputs& in) { return sum(in[0]); }, {sample({3, 4})});
  check_gradient([](const Inputs& in) { return mean(square(in[0])); }, {sample({3, 4})});
  check_gradient([](const Inputs& in) { return reshape(in[0], {4, 3}); }, {sample({2, 6})});
  check_gradient([](const Inputs& in) { return transpose(in[0]); }, {sample({3, 4})});
  check_gradient([](const Inputs& in) { return to(in[0], Dtype::f64); }, {sample({3})});
}

TEST_CASE("what runs along one dimension has the gradients that differences give, whichever it is") {
  const std::vector<Tensor> inputs{sample({3, 2, 4})};
  for (const int dim : {0, 1, 2, -1, -2, -3}) {
    CAPTURE(dim);
    for (const bool keepdim : {false, true}) {
      check_gradient([=](const Inputs& in) { return sum(in[0], dim, keepdim); }, inputs);
      check_gradient([=](const Inputs& in) { return mean(in[0], dim, keepdim); }, inputs);
      check_gradient([=](const Inputs& in) { return max(in[0], dim, keepdim); }, inputs);
    }
    check_gradient([=](const Inputs& in) { return softmax(in[0], dim); }, inputs);
    check_gradient([=](const Inputs& in) { return log_softmax(in[0], dim); }, inputs);
    check_gradient([=](const Inputs& in) { return slice(in[0], 1, 2, dim); }, inputs);
    check_gradient([=](const Inputs& in) { return square(cat({slice(in[0], 0, 1, dim), in[0], in[0]}, dim)); }, inputs);
  }
  check_gradient([](const Inputs& in) { return max(in[0]); }, inputs);
  check_gradient([](const Inputs& in) { return slice(in[0], 2, 2); }, inputs);
  check_gradient([](const Inputs& in) { return in[0] - mean(in[0], 1, true); }, inputs);
}

TEST_CASE("of equals the first has the gradient of their maximum, and NaN has that of its row") {
  const Variable x(Tensor::from(std::vector<double>{1, 3, 3, 2, std::nan(""), 5}, {2, 3}, kDevice), true);
  backward({max(x, 1)}, {Tensor::from(std::vector<double>{7, 8}, {2}, kDevice)});
  CHECK(x.grad().to_vector<double>() == std::vector<double>{0, 7, 0, 0, 8, 0});
}

TEST_CASE("along a dimension, bf16 is computed in f32 and its gradient rounded") {
  const Variable x(sample({3, 4}).to(Dtype::bf16), true);
  const Variable y = sum(x, 1);
  CHECK(y.data().dtype() == Dtype::f32);
  backward({y, max(x, 0), softmax(x, 1)},
           {Tensor::full({3}, 1.0, Dtype::f32, kDevice), Tensor::full({4}, 1.0, Dtype::bf16, kDevice),
            Tensor::full({3, 4}, 1.0, Dtype::bf16, kDevice)});
  CHECK(x.grad().dtype() == Dtype::bf16);
  CHECK_THROWS_WITH_AS(sum(x, 2), doctest::Contains("sum: dimension 2 of (3,4)"), ShapeError);
}

TEST_CASE("slices and joined parts refuse what does not fit") {
  const Variable x(sample({4, 3}), true);
  CHECK_THROWS_WITH_AS(slice(x, 2, 5), "slice: [2, 5) does not lie within dimension 0 of (4,3)", ShapeError);
  CHECK_THROWS_WITH_AS(cat({x, Variable(sample({4, 2}))}), doctest::Contains("cat: parts differ in dimension 0 alone"),
                       ShapeError);
  CHECK_THROWS_AS(cat(std::vector<Variable>{}), ValueError);
}

TEST_CASE("the gradients of joined parts do not share memory that a sum writes into") {
  const Variable a(sample({2, 3}), true), b(sample({1, 3}, 1), true);
  const Variable joined = cat({a, b});
  backward({joined, a, b}, {sample({3, 3}, 2), sample({2, 3}, 3), sample({1, 3}, 4)});
  const auto expected = [](const Tensor& x, const Tensor& y) { return add(x, y).to_vector<double>(); };
  CHECK(a.grad().to_vector<double>() == expected(sample({3, 3}, 2).rows(0, 2), sample({2, 3}, 3)));
  CHECK(b.grad().to_vector<double>() == expected(sample({3, 3}, 2).rows(2, 3), sample({1, 3}, 4)));
}

TEST_CASE("products have the gradients that differences give") {
  check_gradient([](const Inputs& in) { return matmul(in[0], in[1]); }, {sample({3, 4}), sample({4, 2}, 1)});
  check_gradient([](const Inputs& in) { return linear(in[0], in[1], in[2]); },
                 {sample({3, 4}), sample({2, 4}, 1), sample({2}, 2)});
  check_gradient([](const Inputs& in) { return linear(in[0], in[1], {}); }, {sample({3, 4}), sample({2, 4}, 1)});
}

TEST_CASE("convolutions have the gradients that differences give") {
  const auto check_conv = [](const Conv2dArgs& args, const Shape& x, const Shape& w) {
    CAPTURE(w);
    check_gradient([args](const Inputs& in) { return conv2d(in[0], in[1], args); }, {sample(x), sample(w, 1)});
  };
  check_conv({}, {2, 3, 4, 2}, {3, 1, 1, 2});
  check_conv({.stride = 2, .pad = 1}, {2, 5, 4, 2}, {3, 3, 3, 2});
  check_conv({.pad = 2, .dilation = 2}, {1, 5, 5, 2}, {2, 3, 3, 2});
  check_conv({.stride = 2, .pad = 1, .groups = 2}, {2, 4, 4, 4}, {6, 3, 3, 2});
}

TEST_CASE("batch norm has the gradients that differences give, in training and in evaluation") {
  for (const bool training : {true, false}) {
    for (const bool with_relu : {true, false}) {
      CAPTURE(training);
      CAPTURE(with_relu);
      // Running statistics stay out: each evaluation of the function must be the same function.
      const BatchNormOptions options{.relu = with_relu, .training = training, .update_running = false};
      const BatchNormStatistics running = statistics_of(3);
      check_gradient([=](const Inputs& in) { return batch_norm(in[0], in[1], in[2], in[3], running, options); },
                     {sample({2, 2, 2, 3}), sample({3}, 1), sample({3}, 2), sample({2, 2, 2, 3}, 3)});
      check_gradient([=](const Inputs& in) { return batch_norm(in[0], {}, {}, {}, running, options); }, {sample({5, 3})});
    }
  }
}

TEST_CASE("pooling has the gradients that differences give") {
  check_gradient([](const Inputs& in) { return max_pool2d(in[0]); }, {sample({2, 5, 6, 2})});
  check_gradient([](const Inputs& in) { return max_pool2d(in[0], {.kernel = 2, .stride = 2, .pad = 0}); },
                 {sample({1, 4, 4, 3})});
  check_gradient([](const Inputs& in) { return global_avg_pool(in[0]); }, {sample({2, 3, 2, 4})});
  check_gradient([](const Inputs& in) { return avg_pool2x2(in[0]); }, {sample({2, 4, 5, 3})});
}

TEST_CASE("the mean of 2x2 pixels is over those that exist") {
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 30, 3, 4, 50, 5, 7, 60}, {1, 3, 3, 1}, kDevice);
  const Variable y = avg_pool2x2(Variable(x));
  CHECK(y.shape() == Shape{1, 2, 2, 1});
  CHECK(y.data().to_vector<float>() == std::vector<float>{2.5F, 40, 6, 60});
}

TEST_CASE("the mean of 2x2 pixels in bf16 is that in f64, rounded once") {
  const Tensor x = sample({3, 6, 7, 8}).to(Dtype::bf16);
  const Tensor expected = avg_pool2x2(Variable(x.to(Dtype::f64))).data().to(Dtype::bf16);
  const Tensor found = avg_pool2x2(Variable(x)).data();
  CHECK(found.dtype() == Dtype::bf16);
  CHECK(found.to(Dtype::f64).to_vector<double>() == expected.to(Dtype::f64).to_vector<double>());
}

TEST_CASE("rows of unit length and cross-entropy have the gradients that differences give") {
  check_gradient([](const Inputs& in) { return normalize_rows(in[0]); }, {sample({3, 4})});
  const Tensor labels = Tensor::from(std::vector<std::int32_t>{2, -1, 0}, {3}, kDevice);
  check_gradient([&](const Inputs& in) { return cross_entropy(in[0], labels, 2); }, {sample({3, 4})});
  CHECK_THROWS_AS(cross_entropy(Variable(sample({3, 4})), labels, 0), ValueError);
}

TEST_CASE("batch norm in training refuses a single row and leaves the running statistics alone") {
  const BatchNormStatistics running = statistics_of(3);
  const auto before = running.mean.to_vector<double>();
  CHECK_THROWS_AS(batch_norm(Variable(sample({1, 3})), {}, {}, {}, running), ValueError);
  CHECK_THROWS_AS(batch_norm(Variable(sample({4, 3})), Variable(sample({2})), Variable(sample({2})), {}, running), ShapeError);
  CHECK(running.mean.to_vector<double>() == before);
}

// conv – batch norm – ReLU – conv; `kept` puts an operation between that makes the second
// convolution keep its input.
TEST_CASE("a batch norm's result is not kept for a convolution, and recomputing it gives the same bits") {
  const Device device = make_cpu_device();
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    const auto input = [&](const Shape& shape, std::uint32_t stream) { return normal(shape, device, stream, Dtype::f32); };
    const BatchNormStatistics running{Tensor::zeros({16}, Dtype::f32, device), Tensor::full({16}, 1.0, Dtype::f32, device)};
    const Shape shape{4, 32, 32, 16};
    const auto run = [&](bool kept, std::size_t& in_use) {
      const std::vector<Variable> p{Variable(input({16, 3, 3, 16}, 1), true), Variable(input({16}, 2), true),
                                    Variable(input({16}, 3), true), Variable(input({16, 3, 3, 16}, 4), true)};
      const Tensor x = input(shape, 5).to(dtype);
      const std::size_t before = device->allocator().stats().in_use;
      const auto normalised = [&] {
        const Variable y = batch_norm(conv2d(Variable(x), p[0], {.pad = 1}), p[1], p[2], {}, running, {.relu = true});
        return kept ? reshape(y, shape) : y;
      };
      const Variable out = conv2d(normalised(), p[3], {.pad = 1});
      in_use = device->allocator().stats().in_use - before;
      backward({out}, {input(shape, 6).to(dtype)});
      std::vector<std::vector<float>> grads;
      for (const Variable& v : p) grads.push_back(v.grad().to_vector<float>());
      return grads;
    };
    std::size_t with = 0, without = 0;
    run(true, with);  // the device's scratch memory grows to its size
    const auto expected = run(true, with), actual = run(false, without);
    CHECK(actual == expected);
    const auto bytes = static_cast<std::size_t>(shape.numel() * size_of(dtype));
    CHECK(without + bytes == with);
    CHECK(without < 2 * bytes + (16 << 10));  // both convolutions' results, and statistics
  }
}
