#include <cmath>
#include <limits>

#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

Shape pooled_shape(const Shape& x, const Pool2dArgs& args) {
  const auto out = [&](std::int64_t size) { return conv_out_size("max_pool2d", size, args.kernel, args.stride, args.pad); };
  return {x[0], out(x[1]), out(x[2]), x[3]};
}

// Few different values, so that most windows have several largest pixels; all negative, so that
// padding must not win.
void add_max_pool(std::vector<OpCase>& table, const Shape& x, const Pool2dArgs& args) {
  const std::string what = concat(x, " kernel ", args.kernel, " stride ", args.stride, " pad ", args.pad);
  table.push_back({.kernel = "max_pool2d",
                   .name = concat("max_pool2d ", what),
                   .dtypes = kActivations,
                   .inputs = {{.shape = x, .fill = Fill::integers, .low = -4, .high = 0}, {.shape = x}},
                   .run = [args](const Tensors& in) -> Tensors {
                     const auto ties = max_pool2d(in[0], args), plain = max_pool2d(in[1], args);
                     return {ties.y, ties.argmax, plain.y, plain.argmax};
                   }});
  const Shape y = pooled_shape(x, args);
  table.push_back({.kernel = "max_pool2d_grad",
                   .name = concat("max_pool2d_grad ", what),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = x}, {.shape = y}},
                   .run = [args](const Tensors& in) -> Tensors {
                     return {max_pool2d_grad(in[1], max_pool2d(in[0], args).argmax, in[0].shape(), args)};
                   }});
}

void add_global_pool(std::vector<OpCase>& table, const Shape& x) {
  table.push_back({.kernel = "global_avg_pool",
                   .name = concat("global_avg_pool ", x),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = x}},
                   .run = [](const Tensors& in) -> Tensors { return {global_avg_pool(in[0])}; }});
  table.push_back({.kernel = "global_avg_pool_grad",
                   .name = concat("global_avg_pool_grad ", x),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = {x[0], x[3]}}},
                   .run = [x](const Tensors& in) -> Tensors { return {global_avg_pool_grad(in[0], x)}; }});
}

// The last NaN beats all; where all are -inf the first wins.
void add_extremes(std::vector<OpCase>& table) {
  std::vector<double> values(5 * 6 * 8);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i * 5 % 11);
  const double inf = std::numeric_limits<double>::infinity();
  for (std::size_t pixel = 0; pixel < 30; ++pixel) {
    values[8 * pixel] = -inf;
    values[8 * pixel + 1] = pixel % 3 ? -inf : inf;
    if (pixel % 4 == 0) values[8 * pixel + 2] = std::nan("");
  }
  table.push_back({.kernel = "max_pool2d",
                   .name = "max_pool2d of NaN and infinities",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {1, 5, 6, 8}, .fill = Fill::given, .values = values}},
                   .run = [](const Tensors& in) -> Tensors {
                     const auto pooled = max_pool2d(in[0], {});
                     return {pooled.y, pooled.argmax};
                   },
                   .special = Special::given});
}

// An argmax that no kernel wrote names no pixel, or one beyond the window.
void add_stray_argmax(std::vector<OpCase>& table) {
  const Pool2dArgs args{};
  const Shape x{2, 5, 7, 16}, y = pooled_shape(x, args);
  table.push_back(
      {.kernel = "max_pool2d_grad",
       .name = "max_pool2d_grad of an argmax that is out of range",
       .dtypes = kActivations,
       .accuracy = Accuracy::rounded,
       .inputs = {{.shape = y}, {.shape = y, .fill = Fill::integers, .role = Role::i32, .low = 0, .high = 256}},
       .run = [=](const Tensors& in) -> Tensors { return {max_pool2d_grad(in[0], in[1].to(Dtype::u8), x, args)}; }});
}

void add_misaligned(std::vector<OpCase>& table, const Shape& x) {
  const Pool2dArgs args{};
  const Shape y = pooled_shape(x, args);
  table.push_back({.kernel = "max_pool2d",
                   .name = concat("pooling of misaligned ", x),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = x}, {.shape = y}, {.shape = {x[0], x[3]}}},
                   .run = [=](const Tensors& in) -> Tensors {
                     const Tensor at = misaligned(in[0]);
                     const auto pooled = max_pool2d(at, args);
                     return {pooled.y, pooled.argmax, max_pool2d_grad(misaligned(in[1]), misaligned(pooled.argmax), x, args),
                             global_avg_pool(at), global_avg_pool_grad(misaligned(in[2]), x)};
                   }});
}

}  // namespace

void add_pooling_cases(std::vector<OpCase>& table) {
  const Shape shapes[] = {{1, 1, 1, 1}, {2, 7, 9, 3}, {3, 8, 6, 16}, {2, 5, 5, 17}, {1, 4, 6, 64}};
  const Pool2dArgs windows[] = {
      {.kernel = 3, .stride = 2, .pad = 1}, {.kernel = 3, .stride = 1, .pad = 1}, {.kernel = 1, .stride = 3, .pad = 0}};
  for (const Shape& x : shapes) {
    for (const Pool2dArgs& args : windows) add_max_pool(table, x, args);
    add_global_pool(table, x);
  }
  add_max_pool(table, {2, 6, 9, 16}, {.kernel = 2, .stride = 2, .pad = 0});
  add_max_pool(table, {1, 9, 20, 3}, {.kernel = 15, .stride = 4, .pad = 7});  // the largest window
  // A row of it takes two rounds of loads.
  add_max_pool(table, {1, 9, 9, 8}, {.kernel = 5, .stride = 2, .pad = 2});
  add_global_pool(table, {3, 20, 17, 24});
  add_global_pool(table, {2, 3, 3, 272});
  add_max_pool(table, {0, 5, 6, 8}, {});
  add_global_pool(table, {0, 5, 6, 8});
  add_extremes(table);
  add_stray_argmax(table);
  add_misaligned(table, {2, 5, 7, 16});
}

}  // namespace mec::test
