// The reference backend: every kernel as plain loops in the order of its formula. It is the
// specification, the oracle of every test, and the f64 device of gradient checks. Sums are kept in
// Accumulator<T>: bf16 is widened to f32 and rounded once, on writing.
#pragma once

#include "mec/tensor/backend.h"

namespace mec::reference {

class ReferenceBackend final : public Backend {
 public:
  ReferenceBackend();

  std::string name() const override { return "reference"; }
  CachingAllocator& allocator() override { return allocator_; }
  bool supports(Dtype dtype) const override { return is_floating(dtype); }
  bool host_readable() const override { return true; }

  void upload(const void* host, Out y) override;
  void download(In x, void* host) override;

 private:
  CachingAllocator allocator_;
};

// The kernels, each family in the file of its name where no other is named.
extern const MemoryKernels memory_kernels;
extern const RandomKernels random_kernels;  // memory.cpp
extern const ElementwiseKernels elementwise_kernels;
extern const ReduceKernels reduce_kernels;  // elementwise.cpp
extern const MatmulKernels matmul_kernels;
extern const ConvolutionKernels convolution_kernels;
extern const BatchNormKernels batch_norm_kernels;
extern const PoolingKernels pooling_kernels;
extern const RowKernels row_kernels;
extern const LinalgKernels linalg_kernels;
extern const CodingKernels coding_kernels;
extern const TsneKernels tsne_kernels;
extern const OptimizerKernels optimizer_kernels;

}  // namespace mec::reference
