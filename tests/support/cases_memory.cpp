#include <cmath>
#include <limits>

#include "mec/tensor/backend.h"
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
                     in[1].segment(3, {1031}).copy_from(in[0].segment(3, {1031}));
                     in[2].segment(1, {1029}).copy_from(in[0].segment(2, {1029}));
                     const Tensor slice = in[0].segment(1, {1036});
                     return {in[1], in[2], slice.to(Dtype::f32), slice.to(Dtype::bf16), slice.to(Dtype::f64)};
                   }});
  // Copied unless a NaN or an infinity is planted in in[0]; never copied.
  table.push_back({.kernel = "copy_when",
                   .name = "copy_when of slices",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {1037}}, {.shape = {1037}}, {.shape = {1037}}, {.shape = {1037}}},
                   .run = [](const Tensors& in) -> Tensors {
                     const Tensor finite = all_finite(in[0]), never = Tensor::zeros({1}, Dtype::f32, in[0].device());
                     copy_when(finite, in[0].segment(3, {1031}), in[1].segment(3, {1031}));
                     copy_when(finite, in[0].segment(2, {1029}), in[2].segment(1, {1029}));
                     copy_when(never, in[0], in[3]);
                     return {in[1], in[2], in[3]};
                   }});
  table.push_back({.kernel = "fill",
                   .name = "fill a slice",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {1037}}},
                   .run = [](const Tensors& in) -> Tensors {
                     in[0].segment(1, {1030}).fill(0.25);
                     return {in[0]};
                   }});
  table.push_back({.kernel = "fill_random",
                   .name = "fill_random of a slice",
                   .dtypes = kReal,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = {1037}}},
                   .run = [](const Tensors& in) -> Tensors {
                     fill_random(in[0].segment(3, {1030}), {.distribution = Distribution::uniform, .seed = 7});
                     return {in[0]};
                   }});
  table.push_back(
      {.kernel = "gather_rows",
       .name = "gather_rows of a slice, and of bytes",
       .dtypes = kActivations,
       .inputs = {{.shape = {321}, .fill = Fill::integers, .low = 0, .high = 200},
                  {.shape = {11}, .fill = Fill::integers, .role = Role::i64, .low = 0, .high = 5}},
       .run = [](const Tensors& in) -> Tensors {
         const Tensor slice = in[0].segment(1, {5, 64}), bytes = slice.to(Dtype::u8);
         return {gather_rows(slice, in[1]), gather_rows(bytes, in[1]), gather_rows(bytes.segment(0, {5, 17}), in[1])};
       }});
}

// The kernel itself: where an operation can read the indices, it refuses them.
void add_stray_gather(std::vector<OpCase>& table, const Shape& shape) {
  table.push_back(
      {.kernel = "gather_rows",
       .name = concat("gather_rows of ", shape, " with indices that are out of range"),
       .dtypes = kActivations,
       .inputs = {{.shape = shape},
                  {.shape = {8}, .fill = Fill::given, .role = Role::i64, .values = {4, -1, 5, 7, 0, 0x1p40, -0x1p62, 1}}},
       .run = [shape](const Tensors& in) -> Tensors {
         const Shape to = shape.rank() == 1 ? Shape{8} : shape.rank() == 2 ? Shape{8, shape[1]} : Shape{8, shape[1], shape[2]};
         Tensors out;
         for (const Tensor& x : {in[0], in[0].to(Dtype::u8)}) {
           out.emplace_back(to, x.dtype(), x.device());
           x.backend().run(kernel::GatherRows{x, in[1], out.back()});
         }
         return out;
       },
       .special = Special::given});
}

// What no integer holds: NaN becomes 0, the rest the nearest there is.
void add_extreme_conversions(std::vector<OpCase>& table) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  table.push_back({.kernel = "copy",
                   .name = "copy of what integers cannot hold",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {16},
                               .fill = Fill::given,
                               .values = {std::nan(""), kInfinity, -kInfinity, -0.0, 0.75, -0.75, 1.5, -1.5, 255, 256, 300, -3,
                                          0x1p31, -0x1p31, 0x1p63, -0x1p70}}},
                   .run = [](const Tensors& in) -> Tensors {
                     const Tensor wide = in[0].to(Dtype::i64), narrow = in[0].to(Dtype::i32);
                     return {wide, narrow, in[0].to(Dtype::u8), wide.to(Dtype::i32), wide.to(Dtype::u8), narrow.to(Dtype::u8)};
                   },
                   .special = Special::given});
  table.push_back({.kernel = "fill",
                   .name = "fill with NaN, infinities and -0",
                   .dtypes = kActivations,
                   .inputs = {{.shape = {5}}},
                   .run = [](const Tensors& in) -> Tensors {
                     Tensors out;
                     for (const double value : {std::nan(""), kInfinity, -kInfinity, -0.0, 0x1p70}) {
                       for (const Dtype dtype : {in[0].dtype(), Dtype::u8, Dtype::i32, Dtype::i64}) {
                         out.push_back(Tensor::full({5}, value, dtype, in[0].device()));
                       }
                     }
                     return out;
                   },
                   .special = Special::given});
}

// Copied unless a NaN or an infinity is planted in in[0].
void add_copy_when(std::vector<OpCase>& table, const Shape& shape) {
  table.push_back({.kernel = "copy_when",
                   .name = concat("copy_when ", shape),
                   .dtypes = kActivations,
                   .inputs = {{.shape = shape}, {.shape = shape}},
                   .run = [](const Tensors& in) -> Tensors {
                     copy_when(all_finite(in[0]), in[0], in[1]);
                     return {in[1]};
                   }});
}

void add_random(std::vector<OpCase>& table, const Shape& shape) {
  for (const auto distribution : {Distribution::uniform, Distribution::normal}) {
    const bool normal = distribution == Distribution::normal;
    table.push_back(
        {.kernel = "fill_random",
         .name = concat(normal ? "fill_random normal " : "fill_random uniform ", shape),
         .dtypes = kReal,
         // The normal's angle 2πu is rounded to 4e-7, and a radius of up to 5.8 multiplies that.
         .accuracy = normal ? Accuracy::accumulated : Accuracy::rounded,
         .inputs = {{.shape = shape}},
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
    add_copy_when(table, shape);
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
  for (const Shape& shape : {Shape{1037}, Shape{0}}) add_random(table, shape);
  add_slices(table);
  const Shape matrices[] = {{0, 5}, {5, 0}, {1, 1}, {1, 17}, {33, 1}, {17, 64}, {65, 31}, {32, 96}, {33, 31}};
  for (const Shape& shape : matrices) {
    table.push_back({.kernel = "transpose",
                     .name = concat("transpose ", shape),
                     .dtypes = kActivations,
                     .inputs = {{.shape = shape}},
                     .run = [](const Tensors& in) -> Tensors {
                       Tensors out{transpose(in[0]), transpose(in[0].to(Dtype::bf16))};
                       if (in[0].numel() > 0) out.push_back(transpose(in[0].segment(in[0].numel() - 1, {1, 1})));
                       return out;
                     }});
  }
  const Shape rows[] = {{5}, {7, 3}, {5, 3, 17}, {5, 64}};
  for (const Shape& shape : rows) {
    table.push_back(
        {.kernel = "gather_rows",
         .name = concat("gather_rows of ", shape),
         .dtypes = kActivations,
         .inputs = {{.shape = shape}, {.shape = {11}, .fill = Fill::integers, .role = Role::i64, .low = 0, .high = 5}},
         .run = [](const Tensors& in) -> Tensors {
           return {gather_rows(in[0], in[1]), gather_rows(in[0], in[1].segment(0, {0}))};
         }});
    add_stray_gather(table, shape);
  }
  add_stray_gather(table, {0, 3});
  add_extreme_conversions(table);
}

}  // namespace mec::test
