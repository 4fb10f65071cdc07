// The CPU backend's own kernels, compiled once for each instruction set (see parallel.h for what
// such files may use).
#pragma once

#include "mec/tensor/backends/cpu/backend.h"
#include "mec/tensor/backends/cpu/parallel.h"

namespace mec::cpu::MEC_ISA {

class LoopsBackend final : public CpuBackend {
 public:
  LoopsBackend(const CpuOptions& options, bool has_bf16_pairs);

  // Whether products multiply bf16 in pairs (AVX512-BF16), rather than widened to f32.
  bool pairs_bf16() const { return pairs_bf16_; }

 protected:
  // portable_linalg.cpp
  void portable_lu(Out a, Out pivots) override;
  void portable_lu_inverse(In lu, In pivots, Out inverse) override;
  bool portable_cholesky(Out a) override;

 private:
  const bool pairs_bf16_;
};

// The kernels, each family in the file of its name.
extern const MemoryKernels memory_kernels;
extern const ElementwiseKernels elementwise_kernels;
extern const ReduceKernels reduce_kernels;
extern const MatmulKernels portable_matmul_kernels;
extern const ConvolutionKernels portable_convolution_kernels;
extern const BatchNormKernels batch_norm_kernels;
extern const PoolingKernels pooling_kernels;
extern const RowKernels row_kernels;
extern const CodingKernels coding_kernels;
extern const TsneKernels tsne_kernels;
extern const OptimizerKernels optimizer_kernels;

}  // namespace mec::cpu::MEC_ISA
