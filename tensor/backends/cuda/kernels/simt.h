// The language of hand-written kernels. Under nvcc it is CUDA; for any other compiler it is an
// emulation on the host, so that the very sources that a GPU runs are tested where there is none
// (docs/cuda.md).
//
// Blocks are one-dimensional; shared memory has a size known to the compiler. Nothing here is an
// atomic on floating-point numbers: sums have a fixed order.
#pragma once

#include <cstdint>

#include "mec/tensor/backends/cuda/kernels/grid.h"
#include "mec/tensor/host_device.h"

#ifdef __CUDACC__

// The namespace of kernels and of this language. It differs under nvcc, so that both builds of a
// kernel may lie in one program.
#define MEC_SIMT device
#define SIMT_KERNEL __global__ void
// The same, with few enough registers for `blocks` blocks of kBlock threads to share a
// multiprocessor.
#define SIMT_KERNEL_SHARING(blocks) __global__ void __launch_bounds__(::mec::cuda::simt::kBlock, blocks)
#define SIMT_DEVICE __device__ inline
// An array of `count` elements that the threads of a block share; its content is undetermined.
#define SIMT_SHARED(type, name, count) __shared__ type name[count]
// Before a loop over an array that must stay in registers: nvcc unrolls small bodies by itself, but
// puts the array of a large one in memory.
#define SIMT_UNROLL _Pragma("unroll")

namespace mec::cuda::simt::inline MEC_SIMT {

using Stream = void*;  // a cudaStream_t, which other headers need not know

SIMT_DEVICE int thread() { return static_cast<int>(threadIdx.x); }
SIMT_DEVICE int threads() { return static_cast<int>(blockDim.x); }
SIMT_DEVICE std::int64_t block() { return blockIdx.x; }
SIMT_DEVICE std::int64_t blocks() { return gridDim.x; }
SIMT_DEVICE std::int64_t block_y() { return blockIdx.y; }
SIMT_DEVICE std::int64_t blocks_y() { return gridDim.y; }

// Waits for all threads of the block.
SIMT_DEVICE void sync() { __syncthreads(); }

// The value of the lane `offset` above, or of the lane whose number differs by `mask`. All 32 lanes
// of the warp take part.
template <class T> SIMT_DEVICE T shuffle_down(T value, int offset) { return __shfl_down_sync(0xffffffffU, value, offset); }
template <class T> SIMT_DEVICE T shuffle_xor(T value, int mask) { return __shfl_xor_sync(0xffffffffU, value, mask); }

// Throws DeviceError, naming the kernel, when the launch that was just made was refused.
void check_launch(const char* kernel);

// How many blocks of `threads` threads of the kernel the current device runs at a time: registers
// and shared memory decide.
std::int64_t resident_blocks(const void* kernel, int threads);

// kernel<<<grid>>>(arguments...) on a stream.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), Grid grid, Stream stream, const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0) return;
  if (grid.loop != LoopAxis::none) grid = fitted(grid, resident_blocks(reinterpret_cast<const void*>(kernel), grid.threads));
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y));
  kernel<<<blocks, static_cast<unsigned>(grid.threads), 0, static_cast<cudaStream_t>(stream)>>>(Parameters(arguments)...);
  check_launch(name);
}

}  // namespace mec::cuda::simt::inline MEC_SIMT

#else
#include "mec/tensor/backends/cuda/kernels/emulator.h"
#endif

namespace mec::cuda::simt {

constexpr int kWarp = 32;
constexpr int kBlock = 256;  // threads of a block, by default

}  // namespace mec::cuda::simt
