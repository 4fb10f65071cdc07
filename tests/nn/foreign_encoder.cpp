// Which ResNet a file of another library holds, by names and shapes.
#include "mec/nn/files/foreign_encoder.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mec/nn/files/weights.h"
#include "mec/nn/initialize.h"
#include "mec/tensor/devices.h"
#include "support/samples.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

struct Fixture {
  TempFolder folder;
  std::filesystem::path path = folder / "w.safetensors";

  std::vector<NamedTensor> tensors_of(const ResNetConfig& config, std::uint64_t seed = 1) const {
    ResNet net(config, kDevice);
    initialize(net, seed);
    save_weights(path, net);
    return read_safetensors(path, kDevice).tensors;
  }
  void write(std::vector<NamedTensor> tensors) const {
    write_safetensors(path, {.metadata = {}, .tensors = std::move(tensors)});
  }
  FoundEncoder find(const std::optional<std::string>& prefix = {}) const {
    return find_encoder(SafetensorsReader(path), prefix);
  }
  std::string error(const std::optional<std::string>& prefix = {}) const {
    return message_of<IoError>([&] { find(prefix); });
  }
};

std::vector<NamedTensor> behind(const std::string& prefix, std::vector<NamedTensor> tensors) {
  for (NamedTensor& t : tensors) t.name = prefix + t.name;
  return tensors;
}

void append(std::vector<NamedTensor>& to, const std::vector<NamedTensor>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

Tensor& at(std::vector<NamedTensor>& tensors, const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
  REQUIRE(found != tensors.end());
  return found->tensor;
}

Tensor zeros(const Shape& shape) { return Tensor::zeros(shape, Dtype::f32, kDevice); }

const ResNetConfig kSmall{.arch = "resnet10", .width = 2, .stem = Stem::cifar};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "each network of the table is recognised, with its stem, width and channels") {
  for (const char* arch : {"resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2",
                           "wide_resnet101_2", "resnet18d", "resnet34d", "resnet50d", "resnet101d", "resnet152d"}) {
    for (const auto& [stem, width, channels] : {std::tuple(Stem::imagenet, 3, 1), std::tuple(Stem::cifar, 2, 4)}) {
      CAPTURE(arch);
      write(behind("module.", tensors_of({.arch = arch, .width = width, .in_channels = channels, .stem = stem})));
      const FoundEncoder found = find();
      CHECK(found.config.arch == arch);
      CHECK(found.config.stem == stem);
      CHECK(found.config.width == width);
      CHECK(found.config.in_channels == channels);
      CHECK(found.prefix == "module.");
      CHECK(found.renamed.empty());
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "of an encoder and its momentum copy the encoder is taken, and any by its prefix") {
  const auto one = tensors_of(kSmall, 1), other = tensors_of(kSmall, 2);
  for (const auto& [mine, copy] :
       {std::pair("module.encoder_q.", "module.encoder_k."), std::pair("backbone.", "backbone_momentum."),
        std::pair("online.encoder.", "target.encoder."), std::pair("model.", "model_ema."),
        std::pair("student.backbone.", "teacher.backbone."), std::pair("net.", "SWA_net."), std::pair("fast.", "slow."),
        std::pair("a.", "a_shadow."), std::pair("model.", "Avg.model."), std::pair("", "momentum_encoder.")}) {
    std::vector<NamedTensor> both = behind(copy, other);
    append(both, behind(mine, one));
    write(both);
    CHECK(find().prefix == mine);
    CHECK(find().passed_over == std::vector<std::string>{copy});
    CHECK(find(std::string(copy).substr(0, std::string(copy).size() - 1)).prefix == copy);
  }
  // A copy alone is taken; two that are no copies, and two copies, ask.
  write(behind("teacher.", one));
  CHECK(find().prefix == "teacher.");
  std::vector<NamedTensor> two = behind("left.", one);
  append(two, behind("right.", other));
  write(two);
  CHECK(contains(error(), "there are ResNets behind 'left.' and 'right.'; choose one with --prefix"));
  CHECK(find("right").prefix == "right.");
  CHECK(contains(error("wrong"), "there is no ResNet behind 'wrong.', but behind 'left.' and 'right.'"));
  two = behind("ema.", one);
  append(two, behind("teacher.", other));
  write(two);
  CHECK(contains(error(), "behind 'ema.' and 'teacher.'; choose one"));
}

TEST_CASE_FIXTURE(Fixture, "a network that was cut into a Sequential, and shortcuts by that name, load all the same") {
  const ResNetConfig deep{.arch = "resnet50d", .width = 2}, plain{.arch = "resnet10", .width = 2};
  const ResNetConfig d_cifar{.arch = "resnet50d", .width = 2, .stem = Stem::cifar};
  for (const int first : {3, 4}) {
    for (const ResNetConfig& config : {kSmall, d_cifar, deep, plain}) {
      CAPTURE(first);
      CAPTURE(config.arch);
      auto tensors = tensors_of(config);
      for (NamedTensor& t : tensors) {
        std::string& name = t.name;
        if (name.starts_with("conv1.")) name.replace(0, 5, "0");
        else if (name.starts_with("bn1.")) name.replace(0, 3, "1");
        else name.replace(0, 6, std::to_string(name[5] - '1' + first));
        if (const auto dot = name.find(".downsample."); dot != std::string::npos) name.replace(dot + 1, 10, "shortcut");
        name = "backbone." + name;
      }
      tensors.push_back({"backbone.9.weight", zeros({5, 16})});
      write(tensors);
      if (first == 3 && config.stem == Stem::imagenet) {
        CHECK(contains(error(), config.arch == "resnet10" ? "the stem is a 7x7 convolution without a max pool behind it"
                                                          : "the stem is three convolutions without a max pool behind it"));
        continue;
      }
      const FoundEncoder found = find();
      CHECK(found.config.arch == config.arch);
      CHECK(found.config.stem == config.stem);
      ResNet expected(config, kDevice), loaded(found.config, kDevice);
      initialize(expected, 1);
      const LoadReport report = load_weights(path, loaded, {.prefix = found.prefix, .renamed = found.renamed});
      CHECK(report.left_out == std::vector<std::string>{"backbone.9.weight"});
      const auto a = parameters_of(expected), b = parameters_of(loaded);
      CHECK(std::ranges::equal(a, b, [](const auto& x, const auto& y) {
        return x.parameter.value.data().template to_vector<float>() == y.parameter.value.data().template to_vector<float>();
      }));
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "what is no ResNet, and a ResNet that is not in the table, is refused in clear words") {
  write({{"classifier.weight", zeros({2, 2})}});
  CHECK(contains(error(), "there is no ResNet in it: no first block (layer1.0.conv1.weight) with a stem"));
  const auto with = [&](const ResNetConfig& config, const auto& change) {
    auto tensors = tensors_of(config);
    change(tensors);
    write(tensors);
    return error();
  };
  CHECK(contains(with(kSmall,
                      [](auto& t) {
                        t.push_back({"layer4.1.conv1.weight", zeros({2})});
                      }),
                 "the stages have 1, 1, 1 and 2 blocks of two convolutions"));
  CHECK(contains(with({.arch = "resnet50", .width = 2},
                      [](auto& t) {
                        at(t, "layer1.0.conv1.weight") = zeros({3, 2, 1, 1});
                      }),
                 "the first convolution makes 2 channels and the first block's 3: that is none of resnet10, "));
  CHECK(contains(with(kSmall, [](auto& t) { at(t, "conv1.weight") = zeros({2, 3, 5, 5}); }), "is 5x5; there are 7x7 and 3x3"));
  CHECK(contains(with(kSmall, [](auto& t) { at(t, "conv1.weight") = zeros({2, 3}); }), "conv1.weight is no weight of a conv"));
  CHECK(contains(with(kSmall, [](auto& t) { at(t, "conv1.weight") = zeros({0, 3, 3, 3}); }), "the stem makes 0 channels of 3"));
  CHECK(contains(with(kSmall, [](auto& t) { at(t, "conv1.weight") = zeros({2, 9000, 3, 3}); }), "2 channels of 9000; each is"));
  CHECK(contains(with({.arch = "resnet18d", .width = 2},
                      [](auto& t) {
                        for (NamedTensor& x : t) {
                          if (const auto dot = x.name.find(".downsample.1"); dot != std::string::npos) x.name[dot + 12] = '0';
                        }
                      }),
                 "the stem has three convolutions, but the shortcuts are not ResNet-D's: that is ResNet-C"));
  CHECK(contains(with({.arch = "resnet18d", .width = 2, .stem = Stem::cifar},
                      [](auto& t) {
                        at(t, "conv1.weight") = zeros({2, 3, 7, 7});
                      }),
                 "the shortcuts are ResNet-D's (an average pool before the convolution), but the stem is one 7x7"));
  CHECK(contains(with({.arch = "resnet50", .width = 64, .stem = Stem::cifar},
                      [](auto& t) {
                        at(t, "layer1.0.conv1.weight") = zeros({128, 64, 1, 1});
                        at(t, "layer1.0.conv2.weight") = zeros({128, 4, 3, 3});
                      }),
                 "layer1.0.conv2 takes 128 channels in 32 groups of 4, as in ResNeXt"));
}

TEST_CASE_FIXTURE(Fixture, "two tensors that stand for one are refused") {
  auto tensors = tensors_of(kSmall);
  tensors.push_back({"layer2.0.shortcut.0.weight", zeros({4, 2, 1, 1})});
  write(tensors);
  const std::string message = error();
  CHECK(contains(message, "stand for layer2.0.downsample.0.weight, one of them"));
}

TEST_CASE_FIXTURE(Fixture, "a small file does not ask for a large network") {
  auto tensors = tensors_of({.arch = "resnet152", .width = 1});
  at(tensors, "conv1.weight") = zeros({8192, 1, 7, 7});
  at(tensors, "layer1.0.conv1.weight") = zeros({8192, 1, 1, 1});
  write(tensors);
  CHECK(contains(error(),
                 "layer4.0.conv2.weight is of 8 channels by 8, but resnet152 whose first convolution makes 8192 has "
                 "65536 by 65536"));
}
