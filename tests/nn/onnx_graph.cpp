// The graph that is written as ONNX, run by plain loops over its nodes, beside the network.
#include "mec/nn/onnx/onnx_graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "mec/nn/initialize.h"
#include "mec/nn/layout.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/safetensors.h"
#include "nn/run_onnx.h"
#include "support/compare.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

WeightsInfo info_of(const ResNetConfig& config) {
  const auto channels = static_cast<std::size_t>(config.in_channels);
  return {.encoder = config,
          .image_size = 9,
          .mean = std::vector<double>(channels, 0.4),
          .std = std::vector<double>(channels, 0.3)};
}

// With statistics and scales that are not those of a new network.
ResNet trained(const ResNetConfig& config) {
  ResNet net(config, kDevice);
  initialize(net, 3);
  std::uint32_t stream = 0;
  for (auto& [name, parameter] : parameters_of(net)) {
    if (parameter.kind == ParameterKind::weight) continue;
    const Shape& shape = parameter.value.shape();
    const Tensor noise = normal(shape, kDevice, ++stream, Dtype::f32);
    parameter.value.assign(
        add(scale(noise, 0.2), Tensor::full(shape, name.ends_with("weight") ? 0.8 : 0.1, Dtype::f32, kDevice)));
  }
  for (auto& [name, buffer] : buffers_of(net)) {
    const Tensor noise = normal(buffer.shape(), kDevice, ++stream, Dtype::f32);
    buffer.copy_from(name.ends_with("var") ? add(mul(noise, noise), Tensor::full(buffer.shape(), 0.5, Dtype::f32, kDevice))
                                           : scale(noise, 0.3));
  }
  return net;
}

void check_features(const ResNetConfig& config, const Shape& images) {
  CAPTURE(config.arch);
  ResNet net = trained(config);
  const Tensor x = normal(images, kDevice, 0, Dtype::f32);
  const Tensor expected = net(x, kEvaluation).data();
  for (const bool fold : {true, false}) {
    CAPTURE(fold);
    const OnnxGraph graph = to_onnx_graph(net, info_of(config), {.fold = fold});
    const Tensor planes = ohwi_to_oihw(x);  // the same turn of axes: NHWC to NCHW
    const Plane found =
        run_onnx(graph, {planes.shape().dims().begin(), planes.shape().dims().end()}, planes.to_vector<float>());
    const Comparison same = compare(Tensor::from(found.values, expected.shape(), kDevice), expected, {.of_rms = 1e-5});
    CHECK_MESSAGE(same.ok, same.message);
  }
}

std::size_t count(const OnnxGraph& graph, const std::string& op) {
  return static_cast<std::size_t>(std::ranges::count(graph.nodes, op, &OnnxNode::op));
}

}  // namespace

TEST_CASE("the graph of each kind of network gives its features, batch norms folded or not") {
  check_features({.arch = "resnet10", .width = 3, .in_channels = 1, .stem = Stem::cifar}, {2, 9, 7, 1});
  check_features({.arch = "resnet10", .width = 4}, {2, 37, 33, 3});
  check_features({.arch = "resnet50", .width = 2, .stem = Stem::cifar}, {2, 9, 9, 3});
  check_features({.arch = "wide_resnet50_2", .width = 1, .stem = Stem::cifar}, {1, 8, 8, 3});
  check_features({.arch = "resnet18d", .width = 4}, {2, 37, 35, 3});
}

TEST_CASE("of bytes the graph makes what the network is given") {
  const ResNetConfig config{.arch = "resnet10", .width = 3, .in_channels = 3, .stem = Stem::cifar};
  ResNet net = trained(config);
  WeightsInfo info = info_of(config);
  info.mean = {0.1, 0.5, 0.7};
  info.std = {0.2, 0.3, 0.6};
  std::vector<float> pixels, normalized;
  for (int i = 0; i < 2 * 6 * 5 * 3; ++i) {
    const auto c = static_cast<std::size_t>(i % 3);
    pixels.push_back(static_cast<float>(i * 37 % 256));
    normalized.push_back(static_cast<float>((pixels.back() / 255 - info.mean[c]) / info.std[c]));
  }
  const Tensor expected = net(Tensor::from(normalized, {2, 6, 5, 3}, kDevice), kEvaluation).data();
  const OnnxGraph graph = to_onnx_graph(net, info, {.pixels = true});
  CHECK(graph.input.bytes);
  const Plane found = run_onnx(graph, {2, 6, 5, 3}, pixels);
  const Comparison same = compare(Tensor::from(found.values, expected.shape(), kDevice), expected, {.of_rms = 1e-5});
  CHECK_MESSAGE(same.ok, same.message);
}

TEST_CASE("the graph says its input, its output and what the weights file says") {
  using Size = std::variant<std::int64_t, std::string>;
  const ResNetConfig config{.arch = "resnet10", .width = 3, .in_channels = 1, .stem = Stem::cifar};
  ResNet net = trained(config);
  const OnnxGraph any = to_onnx_graph(net, info_of(config));
  CHECK(any.input.name == "images");
  CHECK_FALSE(any.input.bytes);
  CHECK(any.input.sizes == std::vector<Size>{"batch", 1, "height", "width"});
  CHECK(any.output.sizes == std::vector<Size>{"batch", 24});
  auto metadata = to_metadata(info_of(config));
  metadata.erase("format");
  CHECK(any.metadata == metadata);
  CHECK(to_onnx_graph(net, info_of(config), {.image_size = 9}).input.sizes == std::vector<Size>{"batch", 1, 9, 9});
  CHECK(to_onnx_graph(net, info_of(config), {.pixels = true, .image_size = 9}).input.sizes ==
        std::vector<Size>{"batch", 9, 9, 1});
  CHECK(count(any, "BatchNormalization") == 0);
  CHECK(count(to_onnx_graph(net, info_of(config), {.fold = false}), "BatchNormalization") == 12);
  CHECK_THROWS_AS(to_onnx_graph(net, info_of(config), {.image_size = 20000}), ValueError);
  ResNetConfig other = config;
  other.arch = "resnet18";
  CHECK(contains(message_of<ValueError>([&] { to_onnx_graph(net, info_of(other)); }), "what is said is of resnet18, "));
}

TEST_CASE("kept batch norms leave every number of the weights file under its name") {
  const ResNetConfig config{.arch = "resnet10", .width = 3, .stem = Stem::cifar};
  ResNet net = trained(config);
  const OnnxGraph graph = to_onnx_graph(net, info_of(config), {.fold = false});
  std::set<std::string> names, expected;
  for (const OnnxTensor& t : graph.tensors) names.insert(t.name);
  for (const auto& p : parameters_of(net)) expected.insert(p.name);
  for (const auto& b : buffers_of(net)) expected.insert(b.name);
  CHECK(names == expected);
  const auto w = std::ranges::find(graph.tensors, "layer2.0.conv1.weight", &OnnxTensor::name);
  CHECK(w->sizes == std::vector<std::int64_t>{6, 3, 3, 3});
  CHECK(w->values == ohwi_to_oihw(net.stages[1][0].path[0].conv.weight.value.data()).to_vector<float>());
}

TEST_CASE("a batch norm that f32 cannot fold is an error, and can be kept") {
  const ResNetConfig config{.arch = "resnet10", .width = 2, .stem = Stem::cifar};
  ResNet net = trained(config);
  net.bn1.weight.value.assign(Tensor::full({2}, 3e38, Dtype::f32, kDevice));
  net.bn1.running.var.fill(0);
  CHECK(contains(message_of<ValueError>([&] { to_onnx_graph(net, info_of(config)); }),
                 "ONNX: folded into the convolution before it, bn1 makes a weight "));
  CHECK(to_onnx_graph(net, info_of(config), {.fold = false}).nodes.size() > 10);
}
