#include "mec/nn/files/torchvision.h"

#include <optional>

#include "mec/nn/files/check_belongs.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/linear.h"

namespace mec {

namespace {

struct WithHead : Module {
  WithHead(ResNet& e, std::int64_t classes) : encoder(e) {
    if (classes == 0) return;
    const Tensor& weight = e.conv1.weight.value.data();
    fc.emplace(LinearOptions{.in = e.out_features(), .out = classes}, Placement(weight.device(), weight.dtype()));
    fc->weight.value.assign(Tensor::zeros(fc->weight.value.shape(), weight.dtype(), weight.device()));
    fc->bias.value.assign(Tensor::zeros(fc->bias.value.shape(), weight.dtype(), weight.device()));
  }
  Variable forward(const Variable& x, const Pass& pass) const override {
    const Variable y = encoder.forward(x, pass);
    return fc ? fc->forward(y, pass) : y;
  }
  void visit(const std::string& prefix, Visitor& visitor) override {
    encoder.visit(prefix, visitor);
    if (fc) fc->visit(prefix + "fc.", visitor);
  }

  ResNet& encoder;
  std::optional<Linear> fc;
};

}  // namespace

std::string torchvision_code(const ResNetConfig& config, std::int64_t classes) {
  check<ValueError>(config.width == 64, "torchvision: its networks have a width of 64, but this one has ", config.width,
                    "; the weights file as it is has torchvision's names, for a network of your own");
  check<ValueError>(classes >= 0, "torchvision: the classes are 0 or more, but are ", classes);
  const bool timm = config.arch.ends_with('d');
  std::string code = concat("import safetensors.torch\nimport torch\nimport ", timm ? "timm" : "torchvision", "\n");
  if (timm) {
    code +=
        concat("net = timm.create_model('", config.arch, "', num_classes=", classes, ", in_chans=", config.in_channels, ")");
  } else if (config.arch == "resnet10") {
    code += "net = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])";
  } else {
    code += concat("net = torchvision.models.", config.arch, "()");
  }
  if (config.stem == Stem::cifar) {
    code += concat("\nnet.conv1 = torch.nn.Conv2d(", config.in_channels, ", 64, 3, 1, 1, bias=False)",
                   "\nnet.maxpool = torch.nn.Identity()");
  } else if (config.in_channels != 3 && !timm) {
    code += concat("\nnet.conv1 = torch.nn.Conv2d(", config.in_channels, ", 64, 7, 2, 3, bias=False)");
  }
  if (timm) return code;
  if (classes == 0) code += "\nnet.fc = torch.nn.Identity()";
  else if (classes != 1000) code += concat("\nnet.fc = torch.nn.Linear(net.fc.in_features, ", classes, ")");
  return code;
}

void save_torchvision(const std::filesystem::path& path, ResNet& encoder, const WeightsInfo& info, std::int64_t classes) {
  check_belongs(info, encoder.config);
  torchvision_code(encoder.config, classes);  // throws where there is no such network
  WithHead network(encoder, classes);
  save_weights(path, network, to_metadata(info));
}

}  // namespace mec
