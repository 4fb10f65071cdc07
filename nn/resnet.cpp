#include "mec/nn/resnet.h"

#include "mec/autograd/ops/pooling.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

struct Arch {
  const char* name;
  ResNetShape shape;
};
constexpr Arch kArchs[] = {{"resnet10", {false, {1, 1, 1, 1}}},           {"resnet18", {false, {2, 2, 2, 2}}},
                           {"resnet34", {false, {3, 4, 6, 3}}},           {"resnet50", {true, {3, 4, 6, 3}}},
                           {"resnet101", {true, {3, 4, 23, 3}}},          {"resnet152", {true, {3, 8, 36, 3}}},
                           {"wide_resnet50_2", {true, {3, 4, 6, 3}, 2}},  {"wide_resnet101_2", {true, {3, 4, 23, 3}, 2}},
                           {"resnet18d", {false, {2, 2, 2, 2}, 1, true}}, {"resnet34d", {false, {3, 4, 6, 3}, 1, true}},
                           {"resnet50d", {true, {3, 4, 6, 3}, 1, true}},  {"resnet101d", {true, {3, 4, 23, 3}, 1, true}},
                           {"resnet152d", {true, {3, 8, 36, 3}, 1, true}}};

const ResNetShape& shape_of(const ResNetConfig& config) {
  check<ValueError>(config.width >= 1 && config.width <= kMaxResNetChannels && config.in_channels >= 1 &&
                        config.in_channels <= kMaxResNetChannels,
                    "ResNet: width and in_channels are 1 to ", kMaxResNetChannels, ", but are ", config.width, " and ",
                    config.in_channels);
  for (const Arch& arch : kArchs) {
    if (config.arch == arch.name) return arch.shape;
  }
  throw ValueError(concat("ResNet: unknown arch '", config.arch, "'; there are ", resnet_archs()));
}

// Whether three convolutions 3x3 take the place of the one of 7x7.
bool has_deep_stem(const ResNetConfig& config) { return shape_of(config).d && config.stem == Stem::imagenet; }

// The stem's convolutions; the first one sees images, the last one is conv1.
std::vector<Conv2dOptions> stem_options(const ResNetConfig& config, const Placement& where) {
  const std::int64_t half = (config.width + 1) / 2;
  std::vector<Conv2dOptions> convs;
  if (config.stem == Stem::cifar) {
    convs = {{.in = config.in_channels, .out = config.width, .kernel = 3, .stride = 1, .pad = 1}};
  } else if (has_deep_stem(config)) {
    convs = {{.in = config.in_channels, .out = half, .kernel = 3, .stride = 2, .pad = 1},
             {.in = half, .out = half, .kernel = 3, .pad = 1},
             {.in = half, .out = config.width, .kernel = 3, .pad = 1}};
  } else {
    convs = {{.in = config.in_channels, .out = config.width, .kernel = 7, .stride = 2, .pad = 3}};
  }
  convs.front().stored_in = where.device->image_channels(config.in_channels);
  return convs;
}

}  // namespace

std::string resnet_archs() {
  std::vector<std::string> names;
  for (const Arch& arch : kArchs) names.emplace_back(arch.name);
  return listed(names);
}

const char* name_of(Stem stem) { return stem == Stem::cifar ? "cifar" : "imagenet"; }

Stem stem_of(const std::string& name) {
  check<ValueError>(name == "cifar" || name == "imagenet", "ResNet: unknown stem '", name, "'; there are imagenet and cifar");
  return name == "cifar" ? Stem::cifar : Stem::imagenet;
}

std::string arch_of(const ResNetShape& shape) {
  for (const Arch& arch : kArchs) {
    if (shape == arch.shape) return arch.name;
  }
  return "";
}

std::array<std::int64_t, 4> stage_channels(const ResNetConfig& config) {
  const std::int64_t first = config.width * (shape_of(config).bottleneck ? 4 : 1);
  return {first, 2 * first, 4 * first, 8 * first};
}

ResidualBlock::ResidualBlock(const Options& o, const Placement& where) : pooled_names(o.pooled_shortcut) {
  const auto add = [&](const Conv2dOptions& conv, double gamma) {
    path.push_back({Conv2d(conv, where), BatchNorm({.channels = conv.out, .initial_gamma = gamma}, where)});
  };
  const double last_gamma = o.zero_init ? 0.0 : 1.0;
  if (o.bottleneck) {
    add({.in = o.in, .out = o.inner}, 1.0);
    add({.in = o.inner, .out = o.inner, .kernel = 3, .stride = o.stride, .pad = 1}, 1.0);
    add({.in = o.inner, .out = o.out}, last_gamma);
  } else {
    add({.in = o.in, .out = o.inner, .kernel = 3, .stride = o.stride, .pad = 1}, 1.0);
    add({.in = o.inner, .out = o.out, .kernel = 3, .pad = 1}, last_gamma);
  }
  if (o.stride != 1 || o.in != o.out) {
    pooled = o.pooled_shortcut && o.stride == 2;
    downsample = ConvNorm{Conv2d({.in = o.in, .out = o.out, .stride = pooled ? 1 : o.stride}, where),
                          BatchNorm({.channels = o.out}, where)};
  }
}

Variable ResidualBlock::forward(const Variable& x, const Pass& pass) const {
  Variable shortcut = pooled ? avg_pool2x2(x) : x;
  if (downsample) shortcut = conv_norm(downsample->conv, downsample->norm, shortcut, {}, pass);
  Variable y = x;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool last = i + 1 == path.size();
    y = conv_norm(path[i].conv, path[i].norm, y, {.residual = last ? shortcut : Variable(), .relu = true}, pass);
  }
  return y;
}

void ResidualBlock::visit(const std::string& prefix, Visitor& visitor) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    path[i].conv.visit(prefix + "conv" + std::to_string(i + 1) + ".", visitor);
    path[i].norm.visit(prefix + "bn" + std::to_string(i + 1) + ".", visitor);
  }
  if (!downsample) return;
  downsample->conv.visit(prefix + (pooled_names ? "downsample.1." : "downsample.0."), visitor);
  downsample->norm.visit(prefix + (pooled_names ? "downsample.2." : "downsample.1."), visitor);
}

ResNet::ResNet(const ResNetConfig& c, const Placement& where)
    : config(c), conv1(stem_options(c, where).back(), where), bn1({.channels = c.width}, where) {
  const ResNetShape& shape = shape_of(config);
  std::vector<Conv2dOptions> before = stem_options(config, where);
  before.pop_back();
  for (const Conv2dOptions& conv : before) {
    before_conv1.push_back({Conv2d(conv, where), BatchNorm({.channels = conv.out}, where)});
  }
  const auto out = stage_channels(config);
  for (std::size_t stage = 0; stage < 4; ++stage) {
    for (int block = 0; block < shape.blocks[stage]; ++block) {
      const std::int64_t in = stage ? out[stage - 1] : config.width;
      stages[stage].push_back(ResidualBlock({.in = block ? out[stage] : in,
                                             .inner = (config.width << stage) * shape.wide,
                                             .out = out[stage],
                                             .stride = block == 0 && stage > 0 ? 2 : 1,
                                             .bottleneck = shape.bottleneck,
                                             .pooled_shortcut = shape.d,
                                             .zero_init = config.zero_init_residual},
                                            where));
    }
  }
}

Pass ResNet::in_part(std::size_t part, const Pass& pass) const {
  return part < frozen_ || frozen_statistics ? kEvaluation : pass;
}

Variable ResNet::through(std::size_t stage, Variable x, const Pass& pass) const {
  const Pass here = in_part(stage + 1, pass);
  for (const ResidualBlock& block : stages[stage]) x = block.forward(x, here);
  return x;
}

Variable ResNet::stem(const Variable& x, const Pass& asked) const {
  const Pass pass = in_part(0, asked);
  const Conv2d& first = before_conv1.empty() ? conv1 : before_conv1.front().conv;
  const std::int64_t channels = first.weight.value.data().dim(-1);
  check<ShapeError>(x.data().rank() == 4 && x.data().dim(3) == channels, config.arch, ": expects images (N,H,W,", channels,
                    "), ", config.in_channels, " channels as this device stores them, but got ", x.shape());
  check<ShapeError>(x.data().numel() > 0, config.arch, ": there are no pixels in ", x.shape());
  Variable y = x;
  for (const auto& [conv, norm] : before_conv1) y = conv_norm(conv, norm, y, {.relu = true}, pass);
  y = conv_norm(conv1, bn1, y, {.relu = true}, pass);
  return config.stem == Stem::imagenet ? max_pool.forward(y, pass) : y;
}

std::array<Variable, 4> ResNet::features(const Variable& x, const Pass& pass) const {
  Variable y = stem(x, pass);
  std::array<Variable, 4> outputs;
  for (std::size_t stage = 0; stage < 4; ++stage) outputs[stage] = y = through(stage, std::move(y), pass);
  return outputs;
}

Variable ResNet::forward(const Variable& x, const Pass& pass) const {
  Variable y = stem(x, pass);
  for (std::size_t stage = 0; stage < 4; ++stage) y = through(stage, std::move(y), pass);
  return global_avg_pool(y);
}

void ResNet::freeze_parts(std::int64_t count) {
  check<ValueError>(count >= 0 && count <= 5, config.arch, ": of stem and stages 0 to 5 can be frozen, not ", count);
  frozen_ = static_cast<std::size_t>(count);
  const auto is_frozen = [&](const std::string& name) {
    for (std::size_t stage = 1; stage <= 4; ++stage) {
      if (name.starts_with(concat("layer", stage, "."))) return stage < frozen_;
    }
    return frozen_ > 0;
  };
  for (auto& [name, parameter] : parameters_of(*this)) {
    if (is_frozen(name)) parameter.value.set_requires_grad(false);
  }
}

void ResNet::visit(const std::string& prefix, Visitor& visitor) {
  // As in timm's Sequential(conv, norm, ReLU, conv, norm, ReLU, conv).
  int layer = 0;
  for (auto& [conv, norm] : before_conv1) {
    conv.visit(concat(prefix, "conv1.", layer, "."), visitor);
    norm.visit(concat(prefix, "conv1.", layer + 1, "."), visitor);
    layer += 3;
  }
  conv1.visit(before_conv1.empty() ? prefix + "conv1." : concat(prefix, "conv1.", layer, "."), visitor);
  bn1.visit(prefix + "bn1.", visitor);
  for (std::size_t stage = 0; stage < 4; ++stage) {
    for (std::size_t block = 0; block < stages[stage].size(); ++block) {
      stages[stage][block].visit(prefix + "layer" + std::to_string(stage + 1) + "." + std::to_string(block) + ".", visitor);
    }
  }
}

}  // namespace mec
