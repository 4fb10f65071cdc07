// The CPU device's other ways to the same results: without libraries, and on each instruction set.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "mec/tensor/backends/cpu/isa.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/compare.h"
#include "support/cpu_kernels.h"
#include "support/op_cases.h"

using namespace mec;
using namespace mec::test;

namespace {

void check_table(const Device& device) {
  for (const OpFamily& family : kOpFamilies) check_family(family, device, 4);
}

struct ConvCase {
  std::int64_t images, size, in, out, kernel;
  Conv2dArgs args;
};

const std::vector<ConvCase> kConvCases = {
    // Sizes that meet every edge of the tiles: fewer and more channels than a vector, strides that
    // leave pixels out, big dilation.
    {3, 12, 1, 16, 3, {.pad = 1}},
    {3, 13, 16, 33, 3, {.stride = 2, .pad = 1}},
    {3, 9, 70, 40, 1, {}},
    {3, 11, 24, 36, 3, {.stride = 3, .pad = 2, .dilation = 2, .groups = 2}},
    {3, 15, 6, 12, 5, {.stride = 2, .pad = 3, .groups = 6}},
    {3, 7, 32, 64, 7, {.pad = 3}},
    {3, 8, 5, 7, 2, {.stride = 4}},
    // Depthwise: groups of vectors, single vectors and single channels.
    {3, 11, 151, 151, 3, {.pad = 1, .groups = 151}},
    {2, 12, 70, 70, 5, {.stride = 2, .pad = 2, .groups = 70}},
    // More than fits the portable kernels' blocks: of images; of rows, read in place or copied, all
    // or every other; of so many weights that tasks share the panels.
    {43, 9, 40, 8, 3, {.pad = 1}},
    {1, 41, 64, 16, 3, {.pad = 1}},
    {1, 43, 48, 12, 3, {.stride = 2, .pad = 2, .dilation = 2}},
    {1, 57, 48, 32, 1, {.stride = 2}},
    {2, 3, 160, 176, 3, {.pad = 1}},
    {2, 3, 320, 352, 3, {.pad = 1, .groups = 2}},
};

// The three directions, the gradients added, so that accumulation is seen too. All operands are
// rounded on the reference device: an output of the device under test, rounded to bf16 and taken as
// the gradient, would differ from the reference's by a whole unit where the two round differently.
Tensors convolve(const ConvCase& c, Dtype dtype, Dtype compute, const Device& device) {
  const Shape x{c.images, c.size, c.size, c.in}, w{c.out, c.kernel, c.kernel, c.in / c.args.groups};
  const std::int64_t out = conv_out_size("conv2d", c.size, c.kernel, c.args.stride, c.args.pad, c.args.dilation);
  const OpCase inputs{.kernel = "conv2d",
                      .name = "conv2d",
                      .dtypes = {dtype},
                      .inputs = {{.shape = x}, {.shape = w}, {.shape = {c.images, out, out, c.out}}}};
  const Tensors in = make_inputs(inputs, 6, dtype, compute, device);
  const Tensor dx = Tensor::full(x, 0.5, accumulator_of(compute), device);
  const Tensor dw = Tensor::full(w, 0.5, accumulator_of(compute), device);
  Conv2dArgs add = c.args;
  add.accumulate = true;
  conv2d_grad_input_into(in[2], in[1], dx, add);
  conv2d_grad_weight_into(in[2], in[0], dw, add);
  return {conv2d(in[0], in[1], c.args), dx, dw};
}

void check_convolutions(const Device& device) {
  for (const ConvCase& c : kConvCases) {
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      CAPTURE(c.in);
      CAPTURE(c.out);
      CAPTURE(c.kernel);
      const auto actual = convolve(c, dtype, dtype, device);
      const auto expected = convolve(c, dtype, Dtype::f64, make_reference_device());
      for (std::size_t i = 0; i < 3; ++i) {
        CAPTURE(i);
        const Tolerance tolerance = tolerance_of(Accuracy::accumulated, actual[i].dtype());
        const auto comparison = compare(actual[i], expected[i], tolerance);
        CHECK_MESSAGE(comparison.ok, comparison.message);
      }
    }
  }
}

}  // namespace

TEST_CASE("cpu: the portable kernels agree with the reference") {
  const Device device = make_cpu_device({.kernels = CpuKernels::own});
  check_table(device);
  check_convolutions(device);
}

TEST_CASE("cpu: the libraries' convolutions agree with the reference, whichever way they take bf16") {
  const CpuKernels libraries = library_kernels();
  check_convolutions(make_cpu_device({.kernels = libraries, .bf16 = Bf16Convolution::native}));
  check_convolutions(make_cpu_device({.kernels = libraries, .bf16 = Bf16Convolution::widened}));
}

TEST_CASE("cpu: widened bf16 convolutions of more images than fit a piece agree with the reference") {
  const Device device = make_cpu_device({.kernels = library_kernels(), .bf16 = Bf16Convolution::widened}),
               reference = make_reference_device();
  // 4·(16 + 24)·30² = 144,000 bytes an image: pieces of 21 of the 83 images, and a last one of 20.
  const Shape x_shape{83, 30, 30, 16}, w_shape{24, 3, 3, 16};
  const Conv2dArgs args{.pad = 1}, add{.pad = 1, .accumulate = true};
  const auto run = [&](const Device& on, Dtype dtype) {
    const auto make = [&](const Shape& shape, std::uint64_t seed) {
      return random(shape, Dtype::f32, device, {.scale = 0.1, .seed = seed}).to(Dtype::bf16).to(dtype).to(on);
    };
    const Tensor x = make(x_shape, 1), w = make(w_shape, 2), dy = make({83, 30, 30, 24}, 3), dx = make(x_shape, 4);
    const Tensor dw = make(w_shape, 5).to(accumulator_of(dtype));
    conv2d_grad_input_into(dy, w, dx, add);
    conv2d_grad_weight_into(dy, x, dw, add);
    return Tensors{conv2d(x, w, args), conv2d_grad_input(dy, w, x_shape, args), dx, conv2d_grad_weight(dy, x, w_shape, args),
                   dw};
  };
  const Tensors actual = run(device, Dtype::bf16), expected = run(reference, Dtype::f32);
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    // One rounding to bf16 even where a gradient is added; f32 sums of up to 75,000 terms in
    // another order.
    const double rounding = actual[i].dtype() == Dtype::bf16 ? 1.0 / 256 : 0.0;
    const auto comparison = compare(actual[i], expected[i], {.relative = rounding, .of_rms = 1e-4});
    CHECK_MESSAGE(comparison.ok, comparison.message);
  }
}

TEST_CASE("cpu: every instruction set that this processor has agrees with the reference") {
  for (const cpu::IsaVariant& isa : cpu::supported_isas()) {
    CAPTURE(isa.name);
    const Device device(isa.make({.threads = 2, .kernels = CpuKernels::own}));
    check_table(device);
    check_convolutions(device);
    check_convolutions(
        Device(isa.make({.threads = 2, .kernels = CpuKernels::own, .bf16 = Bf16Convolution::widened})));
  }
}

TEST_CASE("cpu: MEC_MAX_CPU_ISA holds our own loops at an instruction set, and a name that is none is refused") {
  const char* const before = std::getenv("MEC_MAX_CPU_ISA");
  const std::string held = before ? before : "avx512_bf16";  // the best, when it is unset
  const auto names = [](const std::string& most) {
    setenv("MEC_MAX_CPU_ISA", most.c_str(), 1);
    std::string all;
    for (const cpu::IsaVariant& isa : cpu::supported_isas()) all += concat(isa.name, " ");
    return all;
  };
  const std::string best = names("avx512_bf16"), all = "baseline avx2 avx512 avx512_bf16 ";
  CHECK(all.starts_with(best));
  CHECK(names("avx2") == best.substr(0, std::string("baseline avx2 ").size()));
  CHECK(names("baseline") == "baseline ");
  CHECK(describe_cpu().instruction_set == "baseline");
  CHECK_THROWS_WITH_AS(
      names("AVX3"), doctest::Contains("is baseline, avx2, avx512 or avx512_bf16, but the environment has 'AVX3'"), ValueError);
  CHECK(names(held).size() <= best.size());
  if (!before) unsetenv("MEC_MAX_CPU_ISA");
}

TEST_CASE("cpu: batch statistics keep their digits when the mean is a thousand deviations away") {
  const Device device = make_cpu_device();
  const Tensor x = random({5000, 3}, Dtype::f32, device, {.shift = 1000.0, .seed = 3});
  const auto fast = batch_norm_statistics(x);
  const auto exact = batch_norm_statistics(x.to(make_reference_device()).to(Dtype::f64));
  // Naive sums of squares in f32 would be off by 10^6 · 2^-24 = 0.06 of a variance of 1.
  CHECK(compare(fast.var, exact.var, {.relative = 1e-4}).ok);
  CHECK(compare(fast.mean, exact.mean, {.relative = 1e-6}).ok);
}

TEST_CASE("cpu: a kernel of more taps than the portable convolution holds is refused") {
  const Device device = make_cpu_device({.kernels = CpuKernels::own});
  const Tensor x = Tensor::zeros({1, 20, 20, 1}, Dtype::f32, device), w = Tensor::zeros({1, 17, 17, 1}, Dtype::f32, device);
  CHECK_THROWS_AS(conv2d(x, w, {}), ValueError);
}

TEST_CASE("cpu: a negative number of threads is refused") { CHECK_THROWS_AS(make_cpu_device({.threads = -1}), ValueError); }
