// Residual networks (He et al. 2016) as torchvision has them, under torchvision's parameter names:
// "v1.5", the stride of a bottleneck on its 3x3 convolution. Those with a "d" (He et al. 2019, "Bag
// of Tricks", ResNet-D) are timm's, under timm's names.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "mec/nn/conv_norm.h"
#include "mec/nn/sequential.h"

namespace mec {

// imagenet: 7x7 stride 2 and max pool; ResNet-D has three 3x3 in place of the 7x7, the first of
// stride 2. cifar: 3x3 stride 1 alone.
enum class Stem { imagenet, cifar };
const char* name_of(Stem stem);
Stem stem_of(const std::string& name);  // ValueError names what exists

// Largest width and in_channels. More is a mistake; up to here the numbers of elements stay far
// from overflow.
inline constexpr std::int64_t kMaxResNetChannels = 8192;

std::string resnet_archs();  // "resnet10, … and resnet152"

struct ResNetConfig {
  std::string arch = "resnet18";  // of resnet_archs()
  // Channels of the stem and of the first stage's inner convolutions.
  std::int64_t width = 64;
  std::int64_t in_channels = 3;
  Stem stem = Stem::imagenet;
  // The last norm of each block starts at γ = 0 (Goyal et al. 2017).
  bool zero_init_residual = true;
};

// Channels of the four stages' outputs. ValueError for an unknown arch, and for a width or
// in_channels that is not 1 to kMaxResNetChannels.
std::array<std::int64_t, 4> stage_channels(const ResNetConfig& config);

// What tells the networks apart, for those who have weights and no name.
struct ResNetShape {
  bool bottleneck = false;
  std::array<int, 4> blocks = {};  // of each stage
  int wide = 1;                    // times as many channels within a bottleneck
  bool d = false;                  // ResNet-D
  bool operator==(const ResNetShape&) const = default;
};
std::string arch_of(const ResNetShape& shape);  // empty where resnet_archs() has none

// A convolution and the norm behind it.
struct ConvNorm {
  Conv2d conv;
  BatchNorm norm;
};

// ReLU(path(x) + shortcut(x)), the path made of convolutions each with a norm, and a ReLU after all
// but the last. Two convolutions 3x3 make torchvision's BasicBlock; 1x1, 3x3, 1x1 its Bottleneck.
struct ResidualBlock : Module {
  struct Options {
    std::int64_t in = 0, inner = 0, out = 0, stride = 1;
    bool bottleneck = false;
    bool pooled_shortcut = false;  // of a stride: means of 2x2 pixels before it, as in ResNet-D
    bool zero_init = true;
  };

  ResidualBlock(const Options& options, const Placement& where);
  Variable forward(const Variable& x, const Pass& pass) const override;
  void visit(const std::string& prefix, Visitor& visitor) override;

  std::vector<ConvNorm> path;
  std::optional<ConvNorm> downsample;  // where the shortcut changes size
  bool pooled = false;                 // by the mean of 2x2 pixels before `downsample`
  bool pooled_names;                   // "downsample.1" and ".2", where a pool could stand first
};

// Images (N,H,W,C) to features (N, out_features()), in the images' dtype. C is in_channels as the
// device stores them, Backend::image_channels(in_channels); H and W are any sizes from 1.
struct ResNet : Module {
  // Parameters need initialize() or load_weights().
  ResNet(const ResNetConfig& config, const Placement& where);

  // Pooled over the last stage's pixels.
  Variable forward(const Variable& x, const Pass& pass) const override;
  // Each stage's output (N,h,w,stage_channels).
  std::array<Variable, 4> features(const Variable& x, const Pass& pass) const;
  Variable stem(const Variable& x, const Pass& pass) const;  // what the first stage sees
  void visit(const std::string& prefix, Visitor& visitor) override;
  // Of stem, layer1, … layer4 the first `count` are frozen, as detectron2's FREEZE_AT says: from
  // now on their parameters require no gradient, and every pass goes through them as in evaluation.
  // If a ParameterTable is made of the network, freeze before. ValueError unless 0 ≤ count ≤ 5.
  void freeze_parts(std::int64_t count);
  std::int64_t out_features() const { return stage_channels(config)[3]; }

  ResNetConfig config;
  // Every batch norm takes its running statistics, which stay as they are; γ and β still learn.
  bool frozen_statistics = false;
  std::vector<ConvNorm> before_conv1;  // in the ImageNet stem of ResNet-D
  Conv2d conv1;
  BatchNorm bn1;
  MaxPool2d max_pool;                                // in the ImageNet stem
  std::array<std::vector<ResidualBlock>, 4> stages;  // layer1 … layer4

 private:
  Variable through(std::size_t stage, Variable x, const Pass& pass) const;
  // How a pass goes through a part: 0 is the stem, 1 to 4 the stages.
  Pass in_part(std::size_t part, const Pass& pass) const;

  std::size_t frozen_ = 0;  // so many parts
};

}  // namespace mec
