#include "mec/nn/resnet.h"

#include <doctest/doctest.h>

#include <set>

#include "mec/autograd/gradcheck.h"
#include "mec/autograd/ops.h"
#include "mec/nn/initialize.h"
#include "mec/tensor/backends/wrappers/forwarding.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/elementwise.h"
#include "support/compare.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

std::vector<std::string> names_of(Module& module) {
  std::vector<std::string> names;
  for (const auto& p : parameters_of(module)) names.push_back(p.name);
  return names;
}

std::int64_t count_parameters(const ResNetConfig& config) {
  ResNet net(config, kDevice);
  std::int64_t count = 0;
  for (const auto& p : parameters_of(net)) count += p.parameter.value.data().numel();
  return count;
}

// Counts calls of batch norm's own kernel.
class CountingDevice final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  int applied = 0;

 private:
  void on_call(KernelCall call) override {
    if (call.as<kernel::BatchNormApply>()) ++applied;
    call.run();
  }
};

ResNet made(const ResNetConfig& config, Dtype dtype = Dtype::f32) {
  ResNet net(config, {kDevice, dtype});
  initialize(net, 1);
  return net;
}

}  // namespace

TEST_CASE("parameters have torchvision's names, order and sizes") {
  ResNet net({.arch = "resnet50"}, kDevice);
  const auto names = names_of(net);
  const std::vector<std::string> first{"conv1.weight",
                                       "bn1.weight",
                                       "bn1.bias",
                                       "layer1.0.conv1.weight",
                                       "layer1.0.bn1.weight",
                                       "layer1.0.bn1.bias",
                                       "layer1.0.conv2.weight",
                                       "layer1.0.bn2.weight",
                                       "layer1.0.bn2.bias",
                                       "layer1.0.conv3.weight",
                                       "layer1.0.bn3.weight",
                                       "layer1.0.bn3.bias",
                                       "layer1.0.downsample.0.weight",
                                       "layer1.0.downsample.1.weight",
                                       "layer1.0.downsample.1.bias",
                                       "layer1.1.conv1.weight"};
  CHECK(std::vector<std::string>(names.begin(), names.begin() + 16) == first);
  CHECK(names.size() == 159);                             // torchvision's 161 without fc
  CHECK(net.stages[3][0].path[1].conv.args.stride == 2);  // v1.5: on the 3x3
  CHECK(net.stages[3][0].path[0].conv.args.stride == 1);
  CHECK(net.out_features() == 2048);
}

// Sizes are torchvision's own numbers (sum(p.numel() for p in model.parameters())) less those of
// fc.
TEST_CASE("networks have as many parameters as torchvision's") {
  CHECK(count_parameters({.arch = "resnet18"}) == 11'689'512 - 513'000);
  CHECK(count_parameters({.arch = "resnet34"}) == 21'797'672 - 513'000);
  CHECK(count_parameters({.arch = "resnet50"}) == 25'557'032 - 2'049'000);
  CHECK(count_parameters({.arch = "resnet101"}) == 44'549'160 - 2'049'000);
  CHECK(count_parameters({.arch = "resnet152"}) == 60'192'808 - 2'049'000);
  CHECK(count_parameters({.arch = "wide_resnet50_2"}) == 68'883'240 - 2'049'000);
  CHECK(count_parameters({.arch = "resnet18d"}) == 11'708'744 - 513'000);  // these of timm
  CHECK(count_parameters({.arch = "resnet50d"}) == 25'576'264 - 2'049'000);
}

TEST_CASE("ResNet-D has timm's names, also where a shortcut has no stride") {
  ResNet net({.arch = "resnet50d", .width = 4}, kDevice);
  const auto list = names_of(net);
  const std::vector<std::string> stem{"conv1.0.weight", "conv1.1.weight", "conv1.1.bias", "conv1.3.weight", "conv1.4.weight",
                                      "conv1.4.bias",   "conv1.6.weight", "bn1.weight",   "bn1.bias"};
  CHECK(std::vector<std::string>(list.begin(), list.begin() + 9) == stem);
  const std::set<std::string> names(list.begin(), list.end());
  for (const std::string stage : {"layer1", "layer2"}) {
    CHECK(names.contains(stage + ".0.downsample.1.weight"));
    CHECK(names.contains(stage + ".0.downsample.2.bias"));
    CHECK_FALSE(names.contains(stage + ".0.downsample.0.weight"));
  }
  CHECK(ResNet({.arch = "resnet50d", .stem = Stem::cifar}, kDevice).before_conv1.empty());
}

TEST_CASE("a network is recognised by its shape") {
  CHECK(arch_of({.bottleneck = true, .blocks = {3, 4, 6, 3}}) == "resnet50");
  CHECK(arch_of({.bottleneck = true, .blocks = {3, 4, 6, 3}, .wide = 2}) == "wide_resnet50_2");
  CHECK(arch_of({.bottleneck = false, .blocks = {3, 4, 6, 3}, .d = true}) == "resnet34d");
  CHECK(arch_of({.bottleneck = false, .blocks = {3, 4, 6, 4}}).empty());
}

TEST_CASE("the first stage of basic blocks has no downsample, and the stems differ") {
  ResNet net({.arch = "resnet10", .width = 8, .in_channels = 1, .stem = Stem::cifar}, kDevice);
  const auto list = names_of(net);
  const std::set<std::string> names(list.begin(), list.end());
  CHECK_FALSE(names.contains("layer1.0.downsample.0.weight"));
  CHECK(names.contains("layer2.0.downsample.0.weight"));
  CHECK_FALSE(names.contains("layer2.1.conv1.weight"));
  CHECK(net.conv1.weight.value.shape() == Shape{8, 3, 3, 1});
  CHECK(ResNet({.width = 8}, kDevice).conv1.weight.value.shape() == Shape{8, 7, 7, 3});
}

TEST_CASE("the four stages halve the image and double the channels") {
  const auto shapes = [](const ResNetConfig& config, const Shape& image) {
    const ResNet net = made(config);
    std::vector<Shape> list;
    for (const Variable& v : net.features(Variable(normal(image, kDevice, 0, Dtype::f32)), kTraining))
      list.push_back(v.shape());
    list.push_back(net.forward(Variable(normal(image, kDevice, 0, Dtype::f32)), kTraining).shape());
    return list;
  };
  CHECK(shapes({.arch = "resnet10", .width = 4, .in_channels = 1, .stem = Stem::cifar}, {2, 28, 28, 1}) ==
        std::vector<Shape>{{2, 28, 28, 4}, {2, 14, 14, 8}, {2, 7, 7, 16}, {2, 4, 4, 32}, {2, 32}});
  CHECK(shapes({.arch = "resnet50", .width = 2}, {2, 40, 33, 3}) ==
        std::vector<Shape>{{2, 10, 9, 8}, {2, 5, 5, 16}, {2, 3, 3, 32}, {2, 2, 2, 64}, {2, 64}});
  CHECK(shapes({.arch = "resnet10", .width = 2}, {3, 1, 1, 3}).back() == Shape{3, 16});
}

TEST_CASE("the last norm of each block starts at zero where asked, and the block then is its shortcut") {
  const ResNet net = made({.arch = "resnet18", .width = 4, .stem = Stem::cifar});
  const ResidualBlock& block = net.stages[0][1];
  CHECK(block.path[1].norm.weight.value.data().to_vector<float>() == std::vector<float>(4, 0.0F));
  CHECK(block.path[0].norm.weight.value.data().to_vector<float>() == std::vector<float>(4, 1.0F));
  const Variable x(normal({2, 4, 4, 4}, kDevice, 0, Dtype::f32));
  CHECK(block.forward(x, kTraining).data().to_vector<float>() == relu(x).data().to_vector<float>());
  const ResNet other = made({.arch = "resnet18", .width = 4, .zero_init_residual = false});
  CHECK(other.stages[0][1].path[1].norm.weight.value.data().to_vector<float>() == std::vector<float>(4, 1.0F));
}

TEST_CASE("a block's gradients agree with differences, with and without a downsample") {
  for (const bool bottleneck : {false, true}) {
    for (const std::int64_t stride : {1, 2}) {
      CAPTURE(bottleneck);
      CAPTURE(stride);
      ResidualBlock block({.in = 4, .inner = 2, .out = 4, .stride = stride, .bottleneck = bottleneck, .zero_init = false},
                          {kDevice, Dtype::f64});
      initialize(block, 2);
      const Pass still{.training = true, .update_running = false};
      const auto f = [&](const std::vector<Variable>& in) { return block.forward(in[0], still); };
      const GradcheckResult result = gradcheck(f, {normal({2, 3, 3, 4}, kDevice)});
      CHECK_MESSAGE(result.ok, result.message);
    }
  }
}

TEST_CASE("precision follows the images: bf16 in, bf16 features out, f32 gradients") {
  ResNet net = made({.arch = "resnet10", .width = 4, .stem = Stem::cifar});
  const Tensor x = normal({4, 8, 8, 3}, kDevice, 0, Dtype::f32);
  const Variable y = net.forward(Variable(x.to(Dtype::bf16)), kTraining);
  CHECK(y.data().dtype() == Dtype::bf16);
  backward({y}, {normal({4, 32}, kDevice, 1, Dtype::f32).to(Dtype::bf16)});
  for (const auto& p : parameters_of(net)) {
    CAPTURE(p.name);
    REQUIRE(p.parameter.value.grad());
    CHECK(p.parameter.value.grad().dtype() == Dtype::f32);
  }
  // Some ten layers of roundings by 2⁻⁹ each, against features of size one.
  const Tensor exact = net.forward(Variable(x), {.training = true, .update_running = false}).data();
  const Comparison close = compare(y.data(), exact, {.relative = 0.05, .of_rms = 0.05});
  CHECK_MESSAGE(close.ok, close.message);
}

TEST_CASE("wrong images and wrong configurations are refused in clear words") {
  const ResNet net = made({.arch = "resnet10", .width = 2});
  const std::string channels = message_of<ShapeError>([&] {
    net.forward(Variable(normal({2, 8, 8, 1}, kDevice, 0, Dtype::f32)), kTraining);
  });
  CHECK(contains(channels, "(N,H,W,3)"));
  CHECK(contains(channels, "(2,8,8,1)"));
  CHECK_THROWS_AS(net.forward(Variable(Tensor({2, 0, 8, 3}, Dtype::f32, kDevice)), kTraining), ShapeError);
  CHECK(contains(message_of<ValueError>([] { ResNet({.arch = "resnet19"}, kDevice); }), "resnet19"));
  CHECK_THROWS_AS(ResNet({.width = 0}, kDevice), ValueError);
  CHECK_THROWS_AS(stem_of("tiny"), ValueError);
  CHECK(stem_of(name_of(Stem::cifar)) == Stem::cifar);
}

TEST_CASE("in evaluation, where no gradient is recorded, convolution and batch norm are one kernel with the same result") {
  for (const CpuKernels kernels : {CpuKernels::own, CpuKernels::automatic}) {
    for (const char* arch : {"resnet10", "resnet50"}) {
      CAPTURE(arch);
      const auto device = std::make_shared<CountingDevice>(make_cpu_device({.threads = 2, .kernels = kernels}));
      ResNet net({.arch = arch, .width = 16, .stem = Stem::cifar, .zero_init_residual = false}, Device(device));
      initialize(net, 1);
      const Tensor images = random({12, 40, 36, 3}, Dtype::f32, Device(device), {.seed = 2});
      net(images);  // the running statistics become those of images, in part
      device->applied = 0;
      const Tensor apart = net(images, kEvaluation).data();
      CHECK(device->applied > 0);
      device->applied = 0;
      const NoGrad no_grad;
      const Tensor joined = net(images, kEvaluation).data();
      CHECK(device->applied == 0);
      const auto comparison = compare(joined, apart, {.relative = 1e-5, .of_rms = 1e-5});
      CHECK_MESSAGE(comparison.ok, comparison.message);
    }
  }
}
