#include "mec/tensor/backends/wrappers/convolution_counter.h"

#include <doctest/doctest.h>

#include <string>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

TEST_CASE("convolutions are counted by kernel, sizes, dtypes and options, from start to stop") {
  const auto counter = std::make_shared<ConvolutionCounter>(make_reference_device());
  const Device device = counter;
  const auto make = [&](const Shape& shape, Dtype dtype = Dtype::f32) { return Tensor::full(shape, 1, dtype, device); };
  const Tensor x = make({2, 4, 4, 3}), w = make({5, 3, 3, 3}), y = make({2, 4, 4, 5}), dw = make({5, 3, 3, 3});
  conv2d(x, w, {.pad = 1});
  CHECK(counter->counted().empty());
  counter->start();
  conv2d(x, w, {.pad = 1});
  conv2d(make({2, 4, 4, 3}), w, {.pad = 1});                 // other memory, the same convolution
  conv2d(x, w, {.stride = 1, .pad = 1, .dilation = 1});      // the same, said in full
  conv2d(x, w, {.pad = 2, .dilation = 2});                   // of the same sizes
  conv2d(x.rows(0, 1), w, {.pad = 1});                       // fewer images
  conv2d(x.to(Dtype::bf16), w.to(Dtype::bf16), {.pad = 1});  // another dtype
  conv2d_grad_input(y, w, x.shape(), {.pad = 1});            // another kernel
  conv2d_grad_weight_into(y, x, dw, {.pad = 1});
  conv2d_grad_weight_into(y, x, dw, {.pad = 1, .accumulate = true});
  relu(x);  // no convolution
  counter->stop();
  conv2d(x, w, {.pad = 1});

  std::string found;
  for (const ConvolutionCalls& call : counter->counted()) found += concat(call.calls, " ", call.name, "; ");
  CHECK(found == "3 conv2d; 1 conv2d; 1 conv2d; 1 conv2d; 1 conv2d_grad_input; 1 conv2d_grad_weight; 1 conv2d_grad_weight; ");
  const ConvolutionCalls& gradient = counter->counted().back();
  CHECK(gradient.args.accumulate);
  const Tensor again = make({5, 3, 3, 3}), expected = conv2d_grad_weight(y, x, w.shape(), {.pad = 1});
  gradient.run(*device, y, x, again, {.pad = 1});
  CHECK(again.to_vector<float>() == expected.to_vector<float>());
  CHECK(gradient.shapes == std::array{y.shape(), x.shape(), dw.shape()});
  counter->start();
  CHECK(counter->counted().empty());
  const Tensor square = make({3, 3, 3, 3});  // sizes that two kernels share
  conv2d(x, square, {.pad = 1});
  conv2d_grad_input(x, square, x.shape(), {.pad = 1});
  CHECK(counter->counted().size() == 2);
}
