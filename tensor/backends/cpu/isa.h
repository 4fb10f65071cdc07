// The instruction sets that the loops were compiled for (cmake/MecIsa.cmake), and the choice among
// them at run time.
#pragma once

#include <vector>

#include "mec/tensor/backends/cpu/backend.h"

namespace mec::cpu {

namespace baseline {
CpuBackend* make_backend(const CpuOptions& options);  // the caller owns it, here and below
#if defined(__AVX512F__)  // MEC_NATIVE
CpuBackend* make_bf16_backend(const CpuOptions& options);  // for processors with AVX512-BF16
#endif
// Runs `steps` rounds of multiply-adds on the calling thread. Returns the number of floating-point
// operations.
double multiply_adds(std::int64_t steps) noexcept;
}  // namespace baseline
#if MEC_ISA_AVX2
namespace avx2 {
CpuBackend* make_backend(const CpuOptions& options);
double multiply_adds(std::int64_t steps) noexcept;
}  // namespace avx2
#endif
#if MEC_ISA_AVX512
namespace avx512 {
CpuBackend* make_backend(const CpuOptions& options);
CpuBackend* make_bf16_backend(const CpuOptions& options);  // for processors with AVX512-BF16
double multiply_adds(std::int64_t steps) noexcept;
}  // namespace avx512
#endif

struct IsaVariant {
  const char* name;
  CpuBackend* (*make)(const CpuOptions& options);
  double (*multiply_adds)(std::int64_t steps) noexcept;
  bool bf16_pairs = false;  // multiplies bf16 in pairs, and not in f32
};

// The variants that this processor can run, the best one last: no better than MEC_MAX_CPU_ISA
// (baseline, avx2, avx512 or avx512_bf16) where the environment has it, to see what another machine
// would do. ValueError when it names none.
std::vector<IsaVariant> supported_isas();

}  // namespace mec::cpu
