// Copies between the host and a device, beside the stream that computes.
#pragma once

#include <memory>

#include "mec/tensor/backends/cuda/runtime/runtime.h"
#include "mec/tensor/backends/cuda/runtime/staging.h"
#include "mec/tensor/capture.h"

namespace mec::cuda {

class Transfers {
 public:
  // Copies follow the order of that stream: work that was given to it before is done before a copy
  // reads or writes device memory.
  explicit Transfers(cudaStream_t compute);
  ~Transfers();

  // Returns when host may be overwritten.
  void upload(const void* host, void* to, std::size_t bytes);
  void download(const void* from, void* host, std::size_t bytes);  // waits
  std::unique_ptr<HostCopy> read_later(const void* from, std::size_t bytes);

 private:
  struct ReadPool;

  cudaStream_t compute_;
  Stream copy_;  // transfers of large blocks, while the device computes
  StagingRing small_, large_;
  std::shared_ptr<ReadPool> reads_;
};

}  // namespace mec::cuda
