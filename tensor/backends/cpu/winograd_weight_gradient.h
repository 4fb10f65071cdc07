// The gradient of a 3x3 convolution's weight with a quarter of the products.
#pragma once

#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {

// False, and nothing is done, where the direct sum is faster.
bool winograd_grad_weight(LoopsBackend& device, const kernel::Conv2dGradWeight& call);

}  // namespace mec::cpu::MEC_ISA
