#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

// Slices that begin within a pack of 16 bytes: at one place of it on both sides, and at two.
void add_slices(std::vector<OpCase>& table) {
  table.push_back({.kernel = "copy",
                   .name = "copy between slices",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {1037}}, {.shape = {1037}}, {.shape = {1037}}},
                   .run = [](const Tensors& in) -> Tensors {
                     in[1].slice(3, {1031}).copy_from(in[0].slice(3, {1031}));
                     in[2].slice(1, {1029}).copy_from(in[0].slice(2, {1029}));
                     const Tensor slice = in[0].slice(1, {1036});
                     return {in[1], in[2], slice.to(Dtype::f32), slice.to(Dtype::bf16), slice.to(Dtype::f64)};
                   }});
  table.push_back({.kernel = "fill",
                   .name = "fill a slice",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {1037}}},
                   .run = [](const Tensors& in) -> Tensors {
                     in[0].slice(1, {1030}).fill(0.25);
                     return {in[0]};
                   }});
  table.push_back({.kernel = "fill_random",
                   .name = "fill_random of a slice",
                   .dtypes = kReal,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = {1037}}},
                   .run = [](const Tensors& in) -> Tensors {
                     fill_random(in[0].slice(3, {1030}), {.distribution = Distribution::uniform, .seed = 7});
                     return {in[0]};
                   }});
  table.push_back({.kernel = "gather_rows",
                   .name = "gather_rows of a slice, and of bytes",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {321}, .fill = Fill::integers, .low = 0, .high = 200},
                              {.shape = {11}, .fill = Fill::integers, .role = Role::i64, .low = 0, .high = 5}},
                   .run = [](const Tensors& in) -> Tensors {
                     const Tensor slice = in[0].slice(1, {5, 64}), bytes = slice.to(Dtype::u8);
                     return {gather_rows(slice, in[1]), gather_rows(bytes, in[1]), gather_rows(bytes.slice(0, {5, 17}), in[1])};
                   }});
}

void add_random(std::vector<OpCase>& table) {
  for (const auto distribution : {Distribution::uniform, Distribution::normal}) {
    const bool normal = distribution == Distribution::normal;
    table.push_back(
        {.kernel = "fill_random",
         .name = normal ? "fill_random normal" : "fill_random uniform",
         .dtypes = kReal,
         // The normal's angle 2πu is rounded to 4e-7, and a radius of up to 5.8 multiplies that.
         .accuracy = normal ? Accuracy::accumulated : Accuracy::rounded,
         .inputs = {{.shape = {1037}}},
         .run = [distribution](const Tensors& in) -> Tensors {
           const RandomArgs args{
               .distribution = distribution, .scale = 0.5, .shift = 2, .seed = 0x123456789abcdef0, .stream = {1, 2, 3}};
           return {random(in[0].shape(), in[0].dtype(), in[0].device(), args)};
         }});
  }
}

}  // namespace

void add_memory_cases(std::vector<OpCase>& table) {
  const Shape shapes[] = {{1}, {3, 5}, {17, 64, 3}, {0, 4}};
  for (const Shape& shape : shapes) {
    table.push_back({.kernel = "copy",
                     .name = concat("copy between floating dtypes ", shape),
                     .dtypes = kActivations,
                     .inputs = {{.shape = shape}},
                     .run = [](const Tensors& in) -> Tensors {
                       return {in[0].clone(), in[0].to(Dtype::bf16), in[0].to(Dtype::f32), in[0].to(Dtype::f64)};
                     }});
    table.push_back({.kernel = "fill",
                     .name = concat("fill ", shape),
                     .dtypes = kActivations,
                     .inputs = {{.shape = shape}},
                     .run = [](const Tensors& in) -> Tensors {
                       return {Tensor::full(in[0].shape(), -1.5, in[0].dtype(), in[0].device()),
                               Tensor::full(in[0].shape(), 3, Dtype::i64, in[0].device())};
                     }});
  }
  table.push_back({.kernel = "copy",
                   .name = "copy between integers and floating dtypes",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {37}, .fill = Fill::integers, .low = 0, .high = 200}},
                   .run = [](const Tensors& in) -> Tensors {
                     const Tensor bytes = in[0].to(Dtype::u8), wide = in[0].to(Dtype::i64);
                     return {bytes, wide, in[0].to(Dtype::i32), bytes.to(in[0].dtype()), wide.to(in[0].dtype())};
                   }});
  add_random(table);
  add_slices(table);
  const Shape matrices[] = {{1, 1}, {1, 17}, {33, 1}, {17, 64}, {65, 31}, {32, 96}, {33, 31}};
  for (const Shape& shape : matrices) {
    table.push_back({.kernel = "transpose",
                     .name = concat("transpose ", shape),
                     .dtypes = kActivations,
                     .inputs = {{.shape = shape}},
                     .run = [](const Tensors& in) -> Tensors {
                       const Tensor odd = in[0].slice(in[0].numel() - 1, {1, 1});
                       return {transpose(in[0]), transpose(in[0].to(Dtype::bf16)), transpose(odd)};
                     }});
  }
  const Shape rows[] = {{5}, {7, 3}, {5, 3, 17}, {5, 64}};
  for (const Shape& shape : rows) {
    table.push_back(
        {.kernel = "gather_rows",
         .name = concat("gather_rows of ", shape),
         .dtypes = kActivations,
         .inputs = {{.shape = shape}, {.shape = {11}, .fill = Fill::integers, .role = Role::i64, .low = 0, .high = 5}},
         .run = [](const Tensors& in) -> Tensors { return {gather_rows(in[0], in[1])}; }});
  }
}

}  // namespace mec::test
