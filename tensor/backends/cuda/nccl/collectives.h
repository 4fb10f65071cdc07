// Collectives by NCCL.
//
// They are started on the stream that computes, so that tensors need no events and a recorded step
// holds them (NCCL 2.9 or newer). Begun sums have a stream of their own, but not a communicator:
// two of them could wait for each other's place on the GPUs. So calls keep their order, and batch
// norm's wait for the sums begun before them. NCCL adds in an order of its own, which depends on
// ranks, sizes and wires alone: the same run on the same machines has the same bits again.
#pragma once

#include <memory>

#include "mec/tensor/backends/cuda/runtime/runtime.h"
#include "mec/tensor/collectives.h"

namespace mec::cuda {

// DeviceError where NCCL is not there. `stream` is of that device.
std::unique_ptr<Collectives> make_collectives(int device, cudaStream_t stream);

}  // namespace mec::cuda
