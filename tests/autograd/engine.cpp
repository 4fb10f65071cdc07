// What the engine owes to every operation: accumulation, order, ownership and errors.
#include <doctest/doctest.h>

#include "mec/autograd/ops.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/matmul.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

Tensor sample(const Shape& shape, std::uint32_t stream = 0) { return normal(shape, kDevice, stream); }
Variable leaf(const Shape& shape, std::uint32_t stream = 0) { return Variable(sample(shape, stream), true); }
std::vector<double> numbers(const Tensor& t) { return t.to_vector<double>(); }
std::vector<double> gradient(const Variable& v) { return numbers(v.grad()); }

// An identity whose rule returns what it is told to.
Variable with_rule(const Variable& x, Rule rule) { return record("culprit", x.data().clone(), {x}, std::move(rule)); }

}  // namespace

TEST_CASE("an operand that occurs twice collects both gradients") {
  const Variable x = leaf({2, 3});
  backward({add(x, x)}, {Tensor::full({2, 3}, 1.5, Dtype::f64, kDevice)});
  CHECK(gradient(x) == std::vector<double>(6, 3.0));
}

TEST_CASE("a square product is right with and without a fixed gradient buffer") {
  const Tensor cotangent = sample({3, 3}, 1);
  Variable free = leaf({3, 3}), fixed = leaf({3, 3});
  const Tensor buffer = Tensor::full({3, 3}, 99.0, Dtype::f64, kDevice);
  fixed.set_grad_buffer(buffer);
  backward({matmul(free, free)}, {cotangent});
  backward({matmul(fixed, fixed)}, {cotangent});
  const Tensor& a = free.data();
  const Tensor expected = add(matmul(cotangent, a, {.trans_b = true}), matmul(a, cotangent, {.trans_a = true}));
  CHECK(gradient(free) == numbers(expected));
  CHECK(numbers(buffer) == numbers(expected));
}

TEST_CASE("a second contribution is the same whether it goes through a destination or not") {
  const Tensor w = sample({3, 3}, 1), cotangent = sample({2, 3}, 2);
  const auto run = [&](bool offers) {
    const Variable x = leaf({2, 3});
    Variable product = matmul(x, Variable(w));
    // A rule that never asks for a destination leaves the sum to the engine.
    if (!offers) {
      product = record("product", product.data(), {x},
                       [w](const Tensor& dy, const Needs&) -> Grads { return {matmul(dy, w, {.trans_b = true})}; });
    }
    const Variable residual = scale(x, 2.0);
    backward({product, residual}, {cotangent, cotangent});
    return gradient(x);
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("a residual's gradient is not overwritten by its neighbour's") {
  // Both branches of add() receive the same tensor; one of them is then added to.
  const Tensor w = sample({3, 3}, 1), cotangent = sample({2, 3}, 2);
  const Variable x = leaf({2, 3}), skip = leaf({2, 3}, 3);
  const Variable y = add(matmul(x, Variable(w)), x);
  backward({add(y, skip)}, {cotangent});
  CHECK(gradient(skip) == numbers(cotangent));
  CHECK(gradient(x) == numbers(add(cotangent, matmul(cotangent, w, {.trans_b = true}))));
}

TEST_CASE("a cotangent belongs to the caller and is never written to") {
  const Tensor cotangent = sample({3}, 1);
  const auto before = numbers(cotangent);
  const Variable x = leaf({3});
  backward({x, scale(x, 2.0)}, {cotangent, cotangent});
  backward({x}, {cotangent});
  CHECK(numbers(cotangent) == before);
  CHECK(gradient(x)[0] == doctest::Approx(4 * before[0]).epsilon(1e-15));
}

TEST_CASE("several outputs count together, one that another depends on and one given twice included") {
  const Variable x = leaf({3});
  const Variable y = scale(x, 2.0), z = scale(y, 5.0);
  const Tensor one = Tensor::full({3}, 1.0, Dtype::f64, kDevice);
  backward({y, z, y}, {one, one, scale(one, 3.0)});
  CHECK(gradient(x) == std::vector<double>(3, 2.0 * (1 + 3 + 5)));
}

TEST_CASE("leaves add up over backward passes until clear_grad()") {
  Variable x = leaf({2});
  const Tensor one = Tensor::full({2}, 1.0, Dtype::f64, kDevice);
  for (int pass = 0; pass < 3; ++pass) backward({scale(x, 2.0)}, {one});
  CHECK(gradient(x) == std::vector<double>{6, 6});
  const Tensor seen = x.grad();
  backward({scale(x, 2.0)}, {one});
  // A handle that was given out keeps its numbers.
  CHECK(numbers(seen) == std::vector<double>{6, 6});
  x.clear_grad();
  CHECK_FALSE(x.grad());
  backward({scale(x, 2.0)}, {one});
  CHECK(gradient(x) == std::vector<double>{2, 2});
}

TEST_CASE("a gradient buffer stays where it is, is overwritten after clear_grad() and else added to") {
  const Tensor flat = Tensor::full({10}, 7.0, Dtype::f64, kDevice);
  const Tensor buffer = flat.segment(2, {2, 3});
  Variable w = leaf({2, 3});
  w.set_grad_buffer(buffer);
  CHECK_FALSE(w.grad());
  const Tensor one = Tensor::full({2, 3}, 1.0, Dtype::f64, kDevice);
  for (int pass = 0; pass < 2; ++pass) backward({scale(w, 2.0)}, {one});
  CHECK(w.grad().same_memory(buffer));
  CHECK(numbers(flat) == std::vector<double>{7, 7, 4, 4, 4, 4, 4, 4, 7, 7});
  w.clear_grad();
  backward({scale(w, 3.0)}, {one});
  CHECK(numbers(flat) == std::vector<double>{7, 7, 3, 3, 3, 3, 3, 3, 7, 7});
  CHECK_THROWS_AS(w.set_grad_buffer(flat), ShapeError);
  CHECK_THROWS_AS(w.set_grad_buffer(Tensor({2, 3}, Dtype::f32, kDevice)), DtypeError);
}

TEST_CASE("hooks see the complete gradient, once in each backward") {
  Variable x = leaf({2});
  Variable y = scale(x, 2.0);
  std::vector<std::vector<double>> at_x, at_y;
  x.add_hook([&](const Tensor& grad) { at_x.push_back(numbers(grad)); });
  y.add_hook([&](const Tensor& grad) { at_y.push_back(numbers(grad)); });
  const Tensor one = Tensor::full({2}, 1.0, Dtype::f64, kDevice);
  backward({add(y, y), scale(y, 3.0)}, {one, one});
  CHECK(at_y == std::vector<std::vector<double>>{{5, 5}});
  CHECK(at_x == std::vector<std::vector<double>>{{10, 10}});
  CHECK_THROWS_AS(Variable(sample({2})).add_hook([](const Tensor&) {}), ValueError);
}

TEST_CASE("a gradient that nobody needs is not computed") {
  const Variable x = leaf({2, 3});
  bool asked = true;
  const Variable y =
      record("probe", x.data().clone(), {x, Variable(sample({2}))}, [&](const Tensor& dy, const Needs& need) -> Grads {
        asked = need[1];
        CHECK_FALSE(need.destination(1).tensor);
        return {dy, {}};
      });
  backward({y}, {sample({2, 3})});
  CHECK_FALSE(asked);
}

TEST_CASE("without recording nothing is saved") {
  const Device device = make_reference_device();
  const Variable w(normal({64, 64}, device), true);
  const auto in_use = [&] { return device->allocator().stats().in_use; };
  const auto forward = [&] {
    Variable y = w;
    for (int i = 0; i < 4; ++i) y = relu(matmul(y, w));
    return y;
  };
  const std::size_t before = in_use();
  const std::size_t one_matrix = 64 * 64 * sizeof(double);
  {
    const Variable recorded = forward();
    CHECK(in_use() - before == 8 * one_matrix);  // each product and each ReLU
  }
  CHECK(in_use() == before);
  {
    const NoGrad no_grad;
    const Variable plain = forward();
    CHECK_FALSE(plain.requires_grad());
    CHECK(in_use() - before == one_matrix);
    { const NoGrad nested; }
    CHECK_FALSE(relu(w).requires_grad());
  }
  CHECK(relu(w).requires_grad());
}

TEST_CASE("what an operation saved is free as soon as its rule has run") {
  const Device device = make_reference_device();
  const std::size_t bytes = 4096 * sizeof(double);
  Variable x(normal({4096}, device), true);
  std::vector<std::size_t> in_use;
  Variable y = x;
  for (int i = 0; i < 5; ++i) {
    y = exp(y);
    y.add_hook([&](const Tensor&) { in_use.push_back(device->allocator().stats().in_use); });
  }
  const Tensor cotangent = normal({4096}, device, 1);
  const std::vector<Variable> outputs{y};
  y = {};  // as in a step, where nothing but the graph holds what was computed
  backward(outputs, {cotangent});
  REQUIRE(in_use.size() == 5);
  // From one hook to the next an activation goes and the gradient moves on; the first gradient is
  // the caller's cotangent.
  CHECK(in_use[1] == in_use[0]);
  for (std::size_t i = 2; i < in_use.size(); ++i) CHECK(in_use[i] == in_use[i - 1] - bytes);
}

TEST_CASE("a rule with the wrong number, shape or dtype of gradients is named") {
  const Tensor cotangent = sample({3}, 1);
  const auto run = [&](const Rule& rule) { backward({with_rule(leaf({3}), rule)}, {cotangent}); };

  const std::string number = message_of<ValueError>([&] {
    run([](const Tensor& dy, const Needs&) -> Grads { return {dy, dy}; });
  });
  CHECK(contains(number, "culprit"));
  CHECK(contains(number, "2 gradients for 1 inputs"));
  const std::string shape = message_of<ShapeError>([&] {
    run([](const Tensor& dy, const Needs&) -> Grads { return {dy.reshape({3, 1})}; });
  });
  CHECK(contains(shape, "culprit"));
  CHECK(contains(shape, "(3,1)"));
  const std::string dtype =
      message_of<DtypeError>([&] { run([](const Tensor& dy, const Needs&) -> Grads { return {dy.to(Dtype::f32)}; }); });
  CHECK(contains(dtype, "culprit"));
  CHECK(contains(dtype, "f32"));
  const std::string missing =
      message_of<ValueError>([&] { run([](const Tensor&, const Needs&) -> Grads { return Grads(1); }); });
  CHECK(contains(missing, "culprit"));
}

TEST_CASE("a graph is walked once: a second backward is an error and adds nothing") {
  const Variable x = leaf({3});
  const Variable trunk = scale(x, 2.0), y = exp(trunk), other = square(trunk);
  const Tensor one = Tensor::full({3}, 1.0, Dtype::f64, kDevice);
  backward({y}, {one});
  const auto first = gradient(x);
  CHECK(contains(message_of<ValueError>([&] { backward({y}, {one}); }), "walked before"));
  CHECK_THROWS_AS(backward({other}, {one}), ValueError);  // its trunk is gone
  CHECK(gradient(x) == first);
}

TEST_CASE("a walk that failed leaves nothing behind for the next") {
  const Variable x = leaf({3});
  const Tensor one = Tensor::full({3}, 1.0, Dtype::f64, kDevice);
  const Variable trunk = scale(x, 2.0);
  const Variable bad = with_rule(trunk, [](const Tensor&, const Needs&) -> Grads { return {}; });
  CHECK_THROWS_AS(backward({trunk, bad}, {one, one}), ValueError);
  backward({trunk}, {one});
  CHECK(gradient(x) == std::vector<double>{2, 2, 2});
}

TEST_CASE("backward as a member is backward of the loss, and item() is its value") {
  const Variable x = leaf({3}), same = leaf({3});
  const Variable loss = mean(square(x));
  backward(mean(square(same)));
  loss.backward();
  CHECK(gradient(x) == gradient(same));
  CHECK(loss.item() == loss.data().item());
  CHECK_THROWS_AS(x.item(), ShapeError);
  CHECK_THROWS_AS(Variable(sample({})).backward(), ValueError);
  CHECK(message_of<ShapeError>([&] { x.backward(); }) ==
        "backward: without a cotangent the output has one element, but it is (3); take its sum() or mean(), or give a "
        "cotangent");
}

TEST_CASE("backward says what is wrong with its arguments") {
  const Variable x = leaf({3});
  CHECK_THROWS_AS(backward({x}, {}), ShapeError);
  CHECK_THROWS_AS(backward({x}, {sample({2})}), ShapeError);
  CHECK_THROWS_AS(backward({x}, {Tensor({3}, Dtype::f32, kDevice)}), DtypeError);
  CHECK_THROWS_AS(backward({Variable(sample({3}))}, {sample({3})}), ValueError);
  CHECK_THROWS_AS(backward(x), ShapeError);
}

TEST_CASE("only leaves can be changed, and only by what fits") {
  Variable x = leaf({3});
  Variable y = scale(x, 2.0);
  CHECK_THROWS_AS(y.set_data(sample({3})), ValueError);
  CHECK_THROWS_AS(y.assign(sample({3})), ValueError);
  CHECK_THROWS_AS(y.set_requires_grad(false), ValueError);
  CHECK_THROWS_AS(x.set_data(sample({4})), ShapeError);
  CHECK_THROWS_AS(x.set_data(Tensor({3}, Dtype::f32, kDevice)), DtypeError);
  CHECK_THROWS_AS(Variable(Tensor({3}, Dtype::i32, kDevice), true), DtypeError);
  Variable undefined;
  CHECK_THROWS_AS(undefined.set_data(sample({3})), ValueError);
  CHECK_THROWS_AS(undefined.set_requires_grad(true), ValueError);
  x.set_requires_grad(false);
  CHECK_FALSE(scale(x, 2.0).requires_grad());
}
