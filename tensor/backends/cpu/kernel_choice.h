// Whose kernels run what on a CPU device. The choice follows from the options and the processor by
// rules, rather than by a measurement at the start, so that a run takes the same way each time.
#pragma once

#include "mec/tensor/devices.h"

namespace mec::cpu {

// Whether convolutions and products are our own. ValueError where libraries are asked for and this
// build has none.
bool uses_own_products(const CpuOptions& options);

// Whether bf16 convolutions are computed in f32, since the processor multiplies bf16 no faster.
bool widens_bf16(const CpuOptions& options);

// Whether the processor has AVX512-BF16, and multiplies bf16 faster with it than f32.
bool has_fast_avx512_bf16();

}  // namespace mec::cpu
