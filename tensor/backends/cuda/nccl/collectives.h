// Collectives by NCCL.
//
// They are started on the stream that computes, so that tensors need no events and a recorded step
// holds them (NCCL 2.9 or newer); begun sums have a stream of their own. NCCL adds in an order of
// its own, which depends on ranks, sizes and wires alone: the same run on the same machines has the
// same bits again.
#pragma once

#include <memory>

#include "mec/tensor/backends/cuda/runtime/runtime.h"
#include "mec/tensor/collectives.h"

namespace mec::cuda {

// DeviceError where NCCL is not there. `stream` is of that device.
std::unique_ptr<Collectives> make_collectives(int device, cudaStream_t stream);

}  // namespace mec::cuda
