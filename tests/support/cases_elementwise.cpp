#include <cmath>
#include <limits>

#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

void add_unary(std::vector<OpCase>& table, UnaryOp op, const char* name, Fill fill, Accuracy accuracy) {
  const Shape shapes[] = {{0, 5}, {1}, {17}, {3, 5, 7}, {64, 33}};
  for (const Shape& shape : shapes) {
    table.push_back({.kernel = "unary",
                     .name = concat(name, " ", shape),
                     .dtypes = kActivations,
                     .accuracy = accuracy,
                     .inputs = {{.shape = shape, .fill = fill}},
                     .run = [op](const Tensors& in) -> Tensors { return {unary(op, in[0])}; }});
    table.push_back({.kernel = "unary_grad",
                     .name = concat("gradient of ", name, " ", shape),
                     .dtypes = kActivations,
                     .accuracy = accuracy,
                     .inputs = {{.shape = shape, .fill = fill}, {.shape = shape}},
                     .run = [op](const Tensors& in) -> Tensors { return {unary_grad(op, in[0], in[1])}; }});
  }
}

void add_binary(std::vector<OpCase>& table) {
  const std::pair<Shape, Shape> shapes[] = {{{1}, {1}},
                                            {{5, 7, 3}, {5, 7, 3}},
                                            {{5, 7, 3}, {3}},
                                            {{5, 7, 3}, {7, 3}},
                                            {{33, 17}, {}},
                                            {{9, 64}, {64}},
                                            {{0, 5}, {5}},
                                            {{0, 5}, {0, 5}},
                                            {{5, 0}, {0}},
                                            {{7, 3}, {5, 7, 3}},
                                            {{}, {33, 17}},
                                            {{64}, {9, 64}},
                                            {{5}, {0, 5}},
                                            // Both repeat; dimensions merge or do not.
                                            {{5, 1}, {1, 7}},
                                            {{5, 3, 1, 1}, {5, 1, 7, 2}},
                                            {{2, 1, 3, 1, 5}, {4, 3, 1, 1}},
                                            {{33, 1}, {33, 17}},
                                            {{1, 1, 1}, {2, 1}},
                                            {{3, 300, 1}, {3, 1, 200}},
                                            {{0, 1}, {1, 5}}};
  const std::pair<BinaryOp, const char*> ops[] = {
      {BinaryOp::add, "add"}, {BinaryOp::sub, "sub"}, {BinaryOp::mul, "mul"}, {BinaryOp::div, "div"}};
  for (const auto& [a, b] : shapes) {
    for (const auto& [op, name] : ops) {
      table.push_back({.kernel = "binary",
                       .name = concat(name, " ", a, " and ", b),
                       .dtypes = kActivations,
                       .accuracy = Accuracy::rounded,
                       .inputs = {{.shape = a}, {.shape = b, .fill = Fill::positive}},
                       .run = [op = op](const Tensors& in) -> Tensors { return {binary(op, in[0], in[1])}; }});
    }
  }
}

void add_expand(std::vector<OpCase>& table, const Shape& from, const Shape& to) {
  table.push_back({.kernel = "binary",
                   .name = concat("expand ", from, " to ", to),
                   .dtypes = kActivations,
                   .inputs = {{.shape = from}},
                   .run = [to](const Tensors& in) -> Tensors { return {expand(in[0], to)}; }});
}

// A number that bf16 does not hold, added where sums cancel: rounded to bf16 it would show.
void add_numbers(std::vector<OpCase>& table, const Shape& shape) {
  table.push_back({.kernel = "binary",
                   .name = concat("a number beside ", shape),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = shape}},
                   .run = [](const Tensors& in) -> Tensors {
                     const Tensor& x = in[0];
                     return {x + 0.7, 0.7 + x, x - 0.7, 0.7 - x, x * 0.7, 0.7 * x, x / 0.7, 0.7 / x};
                   }});
}

// y may have another dtype than x: gradients of bf16 activations are summed in f32, and f32 weights
// are copied to bf16.
void add_axpby(std::vector<OpCase>& table, const Shape& shape) {
  for (const Role x : {Role::activation, Role::statistic}) {
    for (const Role y : {Role::activation, Role::statistic}) {
      table.push_back({.kernel = "axpby",
                       .name = concat("axpby into ", y == x ? "the same dtype " : "another dtype ", shape),
                       .dtypes = kActivations,
                       .accuracy = Accuracy::rounded,
                       .inputs = {{.shape = shape, .role = x},
                                  {.shape = shape, .role = y},
                                  {.shape = {1}, .fill = Fill::positive, .role = Role::statistic}},
                       .run = [](const Tensors& in) -> Tensors {
                         const Tensor unread(in[1].shape(), in[1].dtype(), in[1].device());
                         axpby(in[0], unread, {.alpha = -1.5, .beta = 0});
                         const Tensor scaled = in[1].clone();
                         axpby(in[0], scaled, {.alpha = 0.3, .beta = -2, .alpha_device = in[2]});
                         add_into(in[0], in[1]);
                         return {unread, scaled, in[1], scale(in[0], in[2], 3)};
                       }});
    }
  }
}

void add_reduce(std::vector<OpCase>& table) {
  const Shape shapes[] = {{1, 1}, {33, 17}, {257, 3},  {1, 64},  {64, 1},   {2, 5, 7, 16}, {0, 5},
                          {5, 0}, {0, 0},   {700, 24}, {5, 600}, {3, 2051}, {2, 19000},    {1, 17003}};
  const std::pair<Reduce, const char*> kinds[] = {
      {Reduce::all, "of all"}, {Reduce::over_rows, "over rows"}, {Reduce::over_columns, "over columns"}};
  for (const Shape& shape : shapes) {
    for (const auto& [how, name] : kinds) {
      table.push_back({.kernel = "reduce",
                       .name = concat("sum ", name, " ", shape),
                       .dtypes = kActivations,
                       .accuracy = Accuracy::accumulated,
                       .inputs = {{.shape = shape, .fill = Fill::positive}},
                       .run = [how = how](const Tensors& in) -> Tensors { return {reduce(how, in[0])}; }});
    }
  }
  for (const Shape& shape : {Shape{33, 17}, Shape{2, 5, 7, 16}, Shape{5, 600}, Shape{1, 17003}}) {
    table.push_back({.kernel = "reduce",
                     .name = concat("sums of misaligned ", shape),
                     .dtypes = kActivations,
                     .accuracy = Accuracy::accumulated,
                     .inputs = {{.shape = shape, .fill = Fill::positive}},
                     .run = [](const Tensors& in) -> Tensors {
                       const Tensor x = misaligned(in[0]);
                       return {reduce(Reduce::all, x), reduce(Reduce::over_rows, x), reduce(Reduce::over_columns, x)};
                     }});
  }
}

void add_all_finite(std::vector<OpCase>& table) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::pair<std::size_t, std::size_t> places[] = {{0, 1}, {1036, 1037}, {1033, 1037}, {8191, 20003}, {20002, 20003}};
  for (const auto& [at, size] : places) {
    for (const double value : {1.0, inf, -inf, std::nan("")}) {
      std::vector<double> values(size, -3.0);
      values[at] = value;
      const auto n = static_cast<std::int64_t>(size);
      table.push_back({.kernel = "all_finite",
                       .name = concat("all_finite with ", value, " at ", at, " of ", size),
                       .dtypes = kActivations,
                       .inputs = {{.shape = {n}, .fill = Fill::given, .values = values}},
                       .run = [](const Tensors& in) -> Tensors {
                         return {all_finite(in[0]), all_finite(misaligned(in[0]))};
                       },
                       .special = Special::given});
    }
  }
  table.push_back({.kernel = "all_finite",
                   .name = "all_finite of nothing",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {0}}},
                   .run = [](const Tensors& in) -> Tensors { return {all_finite(in[0])}; }});
}

}  // namespace

void add_elementwise_cases(std::vector<OpCase>& table) {
  add_unary(table, UnaryOp::relu, "relu", Fill::normal, Accuracy::exact);
  add_unary(table, UnaryOp::neg, "neg", Fill::normal, Accuracy::exact);
  add_unary(table, UnaryOp::abs, "abs", Fill::normal, Accuracy::exact);
  add_unary(table, UnaryOp::square, "square", Fill::normal, Accuracy::rounded);
  add_unary(table, UnaryOp::exp, "exp", Fill::normal, Accuracy::rounded);
  add_unary(table, UnaryOp::log, "log", Fill::positive, Accuracy::rounded);
  add_unary(table, UnaryOp::sqrt, "sqrt", Fill::positive, Accuracy::rounded);
  add_unary(table, UnaryOp::tanh, "tanh", Fill::normal, Accuracy::rounded);
  add_unary(table, UnaryOp::sigmoid, "sigmoid", Fill::normal, Accuracy::rounded);
  add_binary(table);
  add_expand(table, {}, {3, 700});
  add_expand(table, {5, 1}, {2, 5, 33});
  add_expand(table, {1, 3, 1}, {4, 3, 0});
  for (const Shape& shape : {Shape{64, 33}, Shape{5}, Shape{}, Shape{0, 5}}) add_numbers(table, shape);
  for (const Shape& shape : {Shape{5, 37}, Shape{0, 37}}) add_axpby(table, shape);
  add_reduce(table);
  add_all_finite(table);
}

}  // namespace mec::test
