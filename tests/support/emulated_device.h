// The GPU backend's hand-written kernels on the host.
#pragma once

#include "mec/tensor/backends/cuda/kernels/emulator.h"
#include "mec/tensor/tensor.h"

namespace mec::test {

// Kernels run under the emulator of tensor/backends/cuda/kernels/emulator.h; products, convolutions
// and decompositions are the reference's. With `grid_limit` blocks at most in a loop over elements,
// so that small tensors, too, make threads go round more than once.
Device make_emulated_device(std::int64_t grid_limit = 2);

}  // namespace mec::test
