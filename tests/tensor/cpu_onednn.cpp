// oneDNN falls back to reference kernels, a hundred times slower, when a layout does not please it.
// No layer we train may meet one.
#include <doctest/doctest.h>

#if MEC_HAVE_ONEDNN

#include <memory>

#include "mec/tensor/backends/cpu/isa.h"
#include "mec/tensor/backends/cpu/onednn.h"

using namespace mec;
using cpu::ConvDirection;

namespace {

struct Layer {
  std::int64_t size, in, out, kernel, stride;
};

// ResNet-18 of width 16 with the CIFAR stem, on 28 x 28 x 1.
const std::vector<Layer> kResNet18 = {{28, 1, 16, 3, 1},  {28, 16, 16, 3, 1}, {28, 16, 32, 3, 2}, {28, 16, 32, 1, 2},
                                      {14, 32, 32, 3, 1}, {14, 32, 64, 3, 2}, {14, 32, 64, 1, 2}, {7, 64, 64, 3, 1},
                                      {7, 64, 128, 3, 2}, {7, 64, 128, 1, 2}, {4, 128, 128, 3, 1}};

// ResNet-50 with the ImageNet stem, on 64 x 64 x 3.
std::vector<Layer> resnet50() {
  std::vector<Layer> layers{{64, 3, 64, 7, 2}};
  std::int64_t in = 64, size = 16;
  for (const std::int64_t width : {64, 128, 256, 512}) {
    const std::int64_t stride = width == 64 ? 1 : 2, out = 4 * width, after = (size - 1) / stride + 1;
    layers.insert(layers.end(), {{size, in, width, 1, 1},
                                 {size, width, width, 3, stride},
                                 {after, width, out, 1, 1},
                                 {size, in, out, 1, stride},
                                 {after, out, width, 1, 1},
                                 {after, width, width, 3, 1}});
    in = out;
    size = after;
  }
  return layers;
}

void check_layer(cpu::CpuBackend& backend, const Layer& layer, Dtype dtype) {
  const Conv2dArgs args{.stride = layer.stride, .pad = layer.kernel / 2};
  const std::int64_t out = (layer.size + 2 * args.pad - layer.kernel) / layer.stride + 1;
  const In x(nullptr, {8, layer.size, layer.size, layer.in}, dtype);
  const In w(nullptr, {layer.out, layer.kernel, layer.kernel, layer.in}, dtype);
  const In dw(nullptr, w.shape, Dtype::f32);
  const In y(nullptr, {8, out, out, layer.out}, dtype);
  const std::string kernels[] = {backend.convolution_kernel(ConvDirection::forward, x, w, y, args),
                                 backend.convolution_kernel(ConvDirection::grad_input, y, w, x, args),
                                 backend.convolution_kernel(ConvDirection::grad_weight, y, x, dw, args)};
  for (const std::string& kernel : kernels) {
    CAPTURE(layer.size);
    CAPTURE(layer.in);
    CAPTURE(layer.out);
    CAPTURE(layer.kernel);
    const std::string type = name_of(dtype);
    CAPTURE(type);
    CHECK(!kernel.empty());  // oneDNN has it
    CHECK(kernel.find("ref") == std::string::npos);
  }
}

void check_networks(Dtype dtype) {
  const std::unique_ptr<cpu::CpuBackend> backend(cpu::supported_isas().back().make({.kernels = CpuKernels::libraries}));
  for (const Layer& layer : kResNet18) check_layer(*backend, layer, dtype);
  for (const Layer& layer : resnet50()) check_layer(*backend, layer, dtype);
}

}  // namespace

TEST_CASE("cpu: every layer of ResNet-18 and ResNet-50 has a fast f32 kernel in oneDNN") {
  if (has_cpu_libraries()) check_networks(Dtype::f32);
}

TEST_CASE("cpu: every layer of ResNet-18 and ResNet-50 has a fast bf16 kernel where oneDNN multiplies bf16") {
  if (has_cpu_libraries() && cpu::onednn_multiplies_bf16()) check_networks(Dtype::bf16);
}

#endif
