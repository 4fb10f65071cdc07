#include "mec/tensor/backends/cpu/isa.h"
#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {

LoopsBackend::LoopsBackend(const CpuOptions& options, bool has_bf16_pairs)
    : CpuBackend(options,
                 {memory_kernels, elementwise_kernels, reduce_kernels, portable_matmul_kernels, portable_convolution_kernels,
                  batch_norm_kernels, pooling_kernels, row_kernels, coding_kernels, tsne_kernels, optimizer_kernels}),
      pairs_bf16_(has_bf16_pairs && options.bf16 != Bf16Convolution::widened) {}

CpuBackend* make_backend(const CpuOptions& options) { return new LoopsBackend(options, false); }
#if defined(__AVX512F__)
CpuBackend* make_bf16_backend(const CpuOptions& options) { return new LoopsBackend(options, true); }
#endif

}  // namespace mec::cpu::MEC_ISA
