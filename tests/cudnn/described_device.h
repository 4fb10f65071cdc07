// GPUs that cuDNN is told of: tests/golden/cuda/README.md.
#pragma once

#include <string>

#include "mec/tensor/backends/cuda/cudnn/device_properties.h"
#include "support/paths.h"
#include "tensor/io_files.h"

namespace mec::test {

inline std::string device_json(const std::string& name) {
  const std::string text = read_bytes(source_dir() / "tests/golden/cuda" / (name + ".json"));
  REQUIRE(!text.empty());
  return text;
}

inline cuda::DeviceProperties described_device(const std::string& name) {
  return cuda::DeviceProperties::from_json(device_json(name));
}

}  // namespace mec::test
