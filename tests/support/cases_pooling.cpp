#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

// Few different values, so that most windows have several largest pixels; all negative, so that padding must not win.
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
  const Shape y{x[0], conv_out_size("max_pool2d", x[1], args.kernel, args.stride, args.pad),
                conv_out_size("max_pool2d", x[2], args.kernel, args.stride, args.pad), x[3]};
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
}

}  // namespace mec::test
