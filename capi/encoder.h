// The encoder behind a handle.
#pragma once

#include <mutex>

#include "mec/capi/handles.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/resnet.h"

namespace mec::capi {

struct Encoder {
  using Handle = mec_encoder;
  static constexpr const char* kName = "encoder";
  static constexpr std::uintptr_t kDigit = 1;

  Device device;
  WeightsInfo info;
  ResNet network;
  std::mutex mutex = {};
};

}  // namespace mec::capi
