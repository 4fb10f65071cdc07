// An encoder as a file that torchvision's own networks load.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "mec/nn/files/weights_info.h"
#include "mec/nn/resnet.h"

namespace mec {

// What save_weights() writes, and a classifier "fc" of zeros for so many classes, or none for 0:
// load_state_dict(strict=True) asks for it. ValueError for networks that neither torchvision nor
// timm (resnet…d) makes: those whose width is not 64.
void save_torchvision(const std::filesystem::path& path, ResNet& encoder, const WeightsInfo& info, std::int64_t classes);

// Python that imports what it needs and makes the network, the variable `net`, which loads that
// file with strict=True. ValueError as above.
std::string torchvision_code(const ResNetConfig& config, std::int64_t classes);

}  // namespace mec
