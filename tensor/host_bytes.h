// A tensor's bytes, for code of the host that reads them once.
#pragma once

#include <cstddef>
#include <vector>

#include "mec/tensor/backend.h"
#include "mec/tensor/tensor.h"

namespace mec {

// In place where the host can read the tensor's memory; elsewhere a copy. Waits for the device.
class HostBytes {
 public:
  explicit HostBytes(const Tensor& tensor) {
    if (tensor.backend().host_readable()) {
      data_ = static_cast<const std::byte*>(tensor.out().data);
      return;
    }
    copy_.resize(tensor.bytes());
    tensor.download(copy_.data());
    data_ = copy_.data();
  }
  HostBytes(const HostBytes&) = delete;
  HostBytes& operator=(const HostBytes&) = delete;

  const std::byte* data() const { return data_; }  // valid while the tensor is

 private:
  std::vector<std::byte> copy_;
  const std::byte* data_ = nullptr;
};

}  // namespace mec
