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

using cuda::ConvolutionDirection;
using cuda::ConvolutionKey;

// Computes nothing: what a network asks for depends on shapes alone.
class CollectingDevice final : public ForwardingBackend {
 public:
  CollectingDevice() : ForwardingBackend(make_reference_device()) {}

  std::int64_t image_channels(std::int64_t) const override { return 8; }

  void conv2d(In x, In w, Out y, const Conv2dArgs& args) override {
    add(make_key(ConvolutionDirection::forward, x.shape, w.shape, x.dtype, y.dtype, args));
  }
  void conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) override {
    add(make_key(ConvolutionDirection::grad_input, dx.shape, w.shape, dy.dtype, dx.dtype, args));
  }
  void conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) override {
    add(make_key(ConvolutionDirection::grad_weight, x.shape, dw.shape, dy.dtype, dw.dtype, args));
  }

  std::vector<ConvolutionKey> keys;

 protected:
  void on_call(KernelCall) override {}

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
