#include "cudnn/convolution_layers.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "mec/autograd/variable.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/backends/wrappers/forwarding.h"
#include "mec/tensor/devices.h"
#include "support/paths.h"

namespace mec::test {

namespace {

using cuda::ConvolutionKey;
using cuda::make_key;

// Computes nothing: what a network asks for depends on shapes alone.
class CollectingDevice final : public ForwardingBackend {
 public:
  CollectingDevice() : ForwardingBackend(make_reference_device()) {}

  std::int64_t image_channels(std::int64_t) const override { return 8; }

  std::vector<ConvolutionKey> keys;

 protected:
  void on_call(KernelCall call) override {
    if (const auto* forward = call.as<kernel::Conv2d>()) add(make_key(*forward));
    if (const auto* grad_input = call.as<kernel::Conv2dGradInput>()) add(make_key(*grad_input));
    if (const auto* grad_weight = call.as<kernel::Conv2dGradWeight>()) add(make_key(*grad_weight));
  }

 private:
  void add(const ConvolutionKey& key) {
    if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
};

}  // namespace

std::vector<ConvolutionKey> convolutions_of(const TrainedNetwork& network, Dtype dtype) {
  const auto device = std::make_shared<CollectingDevice>();
  const ResNet net(network.net, Device(device));
  // One image is enough, since N comes last.
  const Tensor image({1, network.size, network.size, device->image_channels(network.net.in_channels)}, dtype, device);
  const Variable features = net.forward(Variable(image), kTraining);
  backward({features}, {Tensor(features.shape(), dtype, device)});
  for (ConvolutionKey& key : device->keys) key.n = network.batch;
  return device->keys;
}

std::vector<TrainedNetwork> trained_networks() {
  std::vector<TrainedNetwork> networks;
  const std::filesystem::path folder = source_dir() / "examples" / "configs";
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(folder)) files.push_back(file.path());
  std::ranges::sort(files);
  for (const auto& file : files) {
    if (file.extension() != ".toml") continue;
    const PretrainSettings settings = read_settings(file);
    std::set<std::int64_t> sizes{settings.data.eval_size};
    for (const ViewSettings& view : settings.augment.views) sizes.insert(view.size);
    sizes.erase(0);
    for (const std::string& arch : std::set<std::string>{settings.model.arch, "resnet18", "resnet34", "resnet50"}) {
      const ResNetConfig net{.arch = arch, .width = settings.model.width, .stem = stem_of(settings.model.stem)};
      for (const std::int64_t size : sizes) networks.push_back({net, size, settings.train.batch});
    }
  }
  for (const char* arch : {"resnet18", "resnet34", "resnet50"}) networks.push_back({{.arch = arch}, 224, 256});
  return networks;
}

}  // namespace mec::test
