// Memory for the operands of one convolution, filled with noise, to time engines on. With zeros,
// engines would seem faster than they are.
#pragma once

#include "mec/tensor/backends/cuda/backend.h"

namespace mec::cuda {

class CudaBackend::Tuning {
 public:
  Tuning(CudaBackend& device, const ConvolutionKey& key);
  ~Tuning();
  Tuning(const Tuning&) = delete;
  Tuning& operator=(const Tuning&) = delete;

  const ConvolutionKey& key() const { return key_; }
  double milliseconds(const ConvolutionPlan& plan);  // of one run

 private:
  void* noise(const Shape& shape, Dtype dtype, std::uint64_t seed);

  CudaBackend& device_;
  ConvolutionKey key_;
  Event begin_, end_;
  std::vector<void*> memory_;
  ConvolutionPointers pointers_{};
};

}  // namespace mec::cuda
