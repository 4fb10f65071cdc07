// Thin ResNets against torchvision's: features, running statistics, and every gradient, in training
// and in evaluation.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "mec/nn/files/weights.h"
#include "mec/nn/layout.h"
#include "mec/nn/resnet.h"
#include "mec/tensor/devices.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

namespace {

// The weights come in through a file, as a PyTorch user's would.
void load(const Golden& golden, ResNet& net) {
  const auto path = std::filesystem::temp_directory_path() / concat("mec_golden_resnet_", getpid(), ".safetensors");
  write_safetensors(path, golden.part("weights."));
  load_weights(path, net);
  std::filesystem::remove(path);
}

// Images are NCHW in the golden and convolutions OIHW; the same turn of axes brings both to ours
// and back.
Tensor as_in_golden(const Tensor& t) { return t.rank() == 4 ? ohwi_to_oihw(t) : t; }

void check_pass(const Golden& golden, const std::string& mode, Dtype dtype) {
  const std::int64_t channels = golden.integer("channels");
  const Tensor file_image = oihw_to_ohwi(golden.at("input", dtype));
  const Tensor image = with_channels(file_image, file_image.backend().image_channels(channels));
  ResNet net({.arch = golden.text("arch"),
              .width = golden.integer("width"),
              .in_channels = channels,
              .stem = stem_of(golden.text("stem"))},
             {image.device(), dtype});
  load(golden, net);

  std::size_t compared = 0;
  const auto compare = [&](const std::string& name, const Tensor& actual) {
    ++compared;
    const Comparison same = golden.compare(concat(mode, ".", name), as_in_golden(actual));
    CHECK_MESSAGE(same.ok, same.message);
  };
  const bool training = mode == "train";
  const Variable x(image, true);
  const Variable y = net.forward(x, training ? kTraining : kEvaluation);
  compare("output", y.data());
  backward({y}, {golden.at("cotangent", dtype)});
  compare("input_grad", with_channels(x.grad(), channels));
  for (const auto& [name, parameter] : parameters_of(net)) {
    const Tensor gradient = parameter.value.grad();
    compare("grad." + name, parameter.file_channels > 0 ? with_channels(gradient, parameter.file_channels) : gradient);
  }
  if (training) {
    for (const auto& [name, buffer] : buffers_of(net)) compare("after." + name, buffer);
  }
  CHECK(compared == golden.part(mode + ".").tensors.size());
}

void check_network(const std::string& name) {
  CAPTURE(name);
  for (const std::string mode : {"train", "eval"}) {
    CAPTURE(mode);
    for (const auto& [device, dtype] : kGoldenSettings) check_pass(Golden(name, make_device(device)), mode, dtype);
  }
}

}  // namespace

TEST_CASE("ResNet-18 gives torchvision's features and gradients, with either stem") {
  check_network("resnet18_cifar");
  check_network("resnet18_imagenet");
}

TEST_CASE("ResNet-50 gives torchvision's features and gradients, with either stem") {
  check_network("resnet50_cifar");
  check_network("resnet50_imagenet");
}

TEST_CASE("a wide bottleneck and ResNet-D give torchvision's and timm's features and gradients") {
  check_network("wide_resnet50_2_cifar");
  check_network("resnet18d_imagenet");
}
