#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

void add_matmul(std::vector<OpCase>& table, std::int64_t m, std::int64_t k, std::int64_t n, bool trans_a, bool trans_b) {
  const Shape a = trans_a ? Shape{k, m} : Shape{m, k};
  const Shape b = trans_b ? Shape{n, k} : Shape{k, n};
  table.push_back({.kernel = "matmul",
                   .name = concat("matmul ", a, trans_a ? "ᵀ " : " ", b, trans_b ? "ᵀ" : ""),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::accumulated,
                   .flops = 2.0 * static_cast<double>(m * k * n),
                   .inputs = {{.shape = a}, {.shape = b}, {.shape = {m, n}}, {.shape = {m, n}, .role = Role::statistic}},
                   .run = [trans_a, trans_b](const Tensors& in) -> Tensors {
                     const MatmulArgs args{.trans_a = trans_a, .trans_b = trans_b, .accumulate = true};
                     matmul_into(in[0], in[1], in[2], args);
                     matmul_into(in[0], in[1], in[3], args);  // f32 also for bf16 operands
                     const Tensor wide(in[3].shape(), in[3].dtype(), in[3].device());
                     matmul_into(in[0], in[1], wide, {.trans_a = trans_a, .trans_b = trans_b});
                     return {matmul(in[0], in[1], {.trans_a = trans_a, .trans_b = trans_b}), in[2], in[3], wide};
                   }});
}

struct ConvCase {
  std::int64_t images, height, width, channels, outputs, kernel_height, kernel_width;
  Conv2dArgs args = {};
};

// Each line is there for a reason: what a fast path is likely to get wrong.
const ConvCase kConvolutions[] = {
    {1, 1, 1, 1, 1, 1, 1},               // the smallest
    {2, 9, 7, 1, 16, 3, 3, {.pad = 1}},  // stem on grey images
    // Stem on colour images, odd outputs.
    {2, 8, 11, 3, 17, 3, 3, {.pad = 1}},
    {2, 15, 13, 3, 16, 7, 7, {.stride = 2, .pad = 3}},  // ImageNet's stem
    {2, 8, 11, 16, 17, 3, 3, {.stride = 2, .pad = 1}},  // start of a stage
    // Channels that fill no vector.
    {3, 5, 4, 17, 16, 3, 3, {.pad = 1}},
    // Channels that fill whole vectors.
    {2, 4, 5, 64, 64, 3, 3, {.pad = 1}},
    // Winograd's algorithm on the CPU: 54 tiles, of which those at the border are cut.
    {6, 11, 10, 32, 48, 3, 3, {.pad = 1}},
    // shortcut: it leaves pixels unread.
    {2, 8, 7, 16, 64, 1, 1, {.stride = 2}},
    {2, 5, 6, 64, 16, 1, 1},                             // a matrix product
    {2, 9, 10, 16, 3, 3, 3, {.pad = 2, .dilation = 2}},  // dilation
    // Dilation and stride, odd leftover.
    {1, 11, 9, 3, 17, 3, 3, {.stride = 2, .pad = 1, .dilation = 3}},
    {2, 6, 7, 16, 32, 3, 3, {.pad = 1, .groups = 4}},                // groups
    {2, 6, 7, 17, 17, 3, 3, {.stride = 2, .pad = 1, .groups = 17}},  // depthwise
    {2, 7, 9, 3, 16, 5, 3, {.pad = 1}},                              // a kernel that is not square
    {2, 3, 4, 16, 17, 3, 4},                                         // one output pixel
    {1, 2, 2, 3, 16, 3, 3, {.pad = 2}},                              // more padding than image
    {0, 5, 6, 16, 17, 3, 3, {.pad = 1}},                             // no image
    {1, 4, 4, 0, 3, 1, 1},                                           // nothing to sum
    {1, 4, 4, 8, 0, 1, 1},                                           // nor in the gradient of the input
};

void add_convolution(std::vector<OpCase>& table, const ConvCase& c) {
  const Conv2dArgs args = c.args;
  const Shape x{c.images, c.height, c.width, c.channels};
  const Shape w{c.outputs, c.kernel_height, c.kernel_width, c.channels / args.groups};
  const auto size = [&args](std::int64_t in, std::int64_t kernel) {
    return conv_out_size("conv2d", in, kernel, args.stride, args.pad, args.dilation);
  };
  const Shape y{c.images, size(c.height, c.kernel_height), size(c.width, c.kernel_width), c.outputs};
  const double flops = 2.0 * static_cast<double>(y.numel() * w[1] * w[2] * w[3]);
  const std::string what =
      concat(x, " * ", w, " stride ", args.stride, " pad ", args.pad, " dilation ", args.dilation, " groups ", args.groups);
  Conv2dArgs accumulate = args;
  accumulate.accumulate = true;
  const auto add = [&](const char* kernel, const char* how, Accuracy accuracy, std::vector<Input> inputs,
                       std::function<Tensors(const Tensors&)> run) {
    table.push_back({.kernel = kernel,
                     .name = concat(kernel, how, " ", what),
                     .dtypes = kActivations,
                     .accuracy = accuracy,
                     .flops = flops,
                     .inputs = std::move(inputs),
                     .run = std::move(run)});
  };
  add("conv2d", "", Accuracy::accumulated, {{.shape = x}, {.shape = w}},
      [args](const Tensors& in) -> Tensors { return {conv2d(in[0], in[1], args)}; });
  const Input statistic{.shape = {c.outputs}, .role = Role::statistic};
  const Input variance{.shape = {c.outputs}, .fill = Fill::positive, .role = Role::statistic};
  if (y.numel() > 0 && c.channels > 0)
    add("conv2d_batch_norm", "", Accuracy::normalized,
        {{.shape = x}, {.shape = w}, statistic, variance, statistic, statistic, {.shape = y}},
        [args](const Tensors& in) -> Tensors {
          const BatchNormStatistics statistics{in[2], in[3]};
          return {conv2d_batch_norm(in[0], in[1], statistics, in[4], in[5], in[6], args, {.eps = 1e-3, .relu = true}),
                  conv2d_batch_norm(in[0], in[1], statistics, {}, {}, {}, args, {.eps = 1e-3})};
        });
  add("conv2d_grad_input", "", Accuracy::accumulated, {{.shape = y}, {.shape = w}},
      [=](const Tensors& in) -> Tensors { return {conv2d_grad_input(in[0], in[1], x, args)}; });
  add("conv2d_grad_input", ", added,", Accuracy::added, {{.shape = y}, {.shape = w}, {.shape = x}},
      [=](const Tensors& in) -> Tensors {
        conv2d_grad_input_into(in[0], in[1], in[2], accumulate);
        return {in[2]};
      });
  add("conv2d_grad_weight", "", Accuracy::accumulated, {{.shape = y}, {.shape = x}, {.shape = w}},
      [=](const Tensors& in) -> Tensors {
        conv2d_grad_weight_into(in[0], in[1], in[2], args);  // in the operands' dtype
        return {conv2d_grad_weight(in[0], in[1], w, args), in[2]};
      });
  add("conv2d_grad_weight", ", added,", Accuracy::accumulated,
      {{.shape = y}, {.shape = x}, {.shape = w, .role = Role::statistic}}, [=](const Tensors& in) -> Tensors {
        conv2d_grad_weight_into(in[0], in[1], in[2], accumulate);
        return {in[2]};
      });
}

}  // namespace

void add_product_cases(std::vector<OpCase>& table) {
  const std::int64_t sizes[][3] = {{0, 3, 5},    {3, 0, 5},   {3, 5, 0},     {1, 1, 1},    {3, 5, 7},
                                   {17, 64, 16}, {33, 1, 65}, {64, 300, 31}, {131, 20, 33}};
  for (const auto& [m, k, n] : sizes) {
    for (const int transposed : {0, 1, 2, 3}) add_matmul(table, m, k, n, transposed & 1, transposed & 2);
  }
  for (const ConvCase& c : kConvolutions) add_convolution(table, c);
}

}  // namespace mec::test
