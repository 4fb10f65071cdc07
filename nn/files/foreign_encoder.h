// A ResNet among the tensors of a file that another library wrote: where it stands, and which one
// it is. Names and shapes say both.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mec/nn/resnet.h"
#include "mec/tensor/io/safetensors.h"

namespace mec {

struct FoundEncoder {
  ResNetConfig config;  // arch, width, in_channels and stem
  std::string prefix;   // before its names: "module.encoder_q."
  // Names behind the prefix that are not the module's, and the module's: "4.0.conv1.weight" and
  // "layer1.0.conv1.weight", where torchvision's network was cut into a Sequential, and
  // "layer2.0.shortcut.0.weight" and "layer2.0.downsample.0.weight".
  std::map<std::string, std::string> renamed = {};
  std::vector<std::string> passed_over = {};  // prefixes of other encoders: momentum copies
};

// Of several encoders the one that is no momentum copy ("momentum", "ema", "teacher", "target",
// "key", "k", "swa", "shadow", "slow", "avg" or "averaged" is a word of a copy's prefix); or the
// one behind `prefix`. A stem of 3x3 is taken for Stem::cifar. IoError where there is none or more
// than one, or where it is a network that resnet_archs() has not, or has with other layers: a stem
// of 7x7 without a max pool, grouped convolutions.
FoundEncoder find_encoder(const SafetensorsReader& reader, std::optional<std::string> prefix = {});

}  // namespace mec
