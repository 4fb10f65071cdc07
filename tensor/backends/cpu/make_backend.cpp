#include "mec/tensor/backends/cpu/isa.h"
#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {

LoopsBackend::LoopsBackend(const CpuOptions& options)
    : CpuBackend(options,
                 {memory_kernels, elementwise_kernels, reduce_kernels, portable_matmul_kernels, portable_convolution_kernels,
                  batch_norm_kernels, pooling_kernels, row_kernels, coding_kernels, tsne_kernels, optimizer_kernels}) {}

CpuBackend* make_backend(const CpuOptions& options) { return new LoopsBackend(options); }

}  // namespace mec::cpu::MEC_ISA
