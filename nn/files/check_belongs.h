// That what a weights file is to say of itself is said of the network whose weights it holds.
#pragma once

#include "mec/nn/files/weights_info.h"

namespace mec {

// ValueError as validate(), and where the info is of another network: its arch, stem, width or
// in_channels.
void check_belongs(const WeightsInfo& info, const ResNetConfig& network);

}  // namespace mec
