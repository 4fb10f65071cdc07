#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"

#include <bit>

#include "mec/tensor/backends/cuda/kernels/columns.h"

namespace mec::cuda::MEC_SIMT {

KernelBackend::KernelBackend(std::int64_t grid_limit, const LibraryKernels& libraries)
    : Backend({memory_kernels, random_kernels, elementwise_kernels, reduce_kernels, libraries.matmul, libraries.convolution,
               batch_norm_kernels, pooling_kernels, row_kernels, libraries.linalg, coding_kernels, tsne_kernels,
               optimizer_kernels}),
      grid_limit_(grid_limit) {}

const ViewKernels* KernelBackend::view_kernels() const { return &MEC_SIMT::view_kernels; }

void* KernelBackend::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_ || scratch_.empty()) {
    const std::size_t larger = std::max(bytes, 2 * scratch_bytes_);
    scratch_.push_back(allocator().allocate(larger, BlockUse::workspace));
    scratch_bytes_ = larger;  // only now, since allocate() may throw
  }
  return scratch_.back();
}

simt::Grid KernelBackend::grid_for(std::int64_t n) const {
  return {.x = std::min(ceil_div(n, kBlock), grid_limit_), .threads = kBlock, .loop = simt::LoopAxis::x};
}

simt::Grid KernelBackend::grid_for_rows(const Columns& matrix, std::int64_t chunks) const {
  simt::Grid grid = grid_for_columns(matrix, chunks);
  grid.loop = simt::LoopAxis::y;
  return grid;
}

// A block has no more lines of threads than there are rows (rounded up to a power of two), but at
// least one warp.
simt::Grid KernelBackend::grid_for_columns(const Columns& matrix, std::int64_t chunks) const {
  constexpr std::int64_t kLimitY = 65535;
  const std::int64_t groups = ceil_div(matrix.channels, matrix.lanes * matrix.pack);
  const std::int64_t allowed = std::min(grid_limit_ / std::max<std::int64_t>(groups, 1), kLimitY);
  const auto lines = std::bit_ceil(static_cast<std::uint64_t>(std::clamp<std::int64_t>(matrix.rows, 1, kBlock)));
  return {.x = groups,
          .y = std::clamp<std::int64_t>(chunks, 1, std::max<std::int64_t>(allowed, 1)),
          .threads = std::clamp(static_cast<int>(lines) * matrix.lanes, kWarp, kBlock)};
}

simt::Grid KernelBackend::grid_of_pieces(std::int64_t n, int threads) const {
  return {.x = std::min(n, grid_limit_), .threads = threads, .loop = simt::LoopAxis::x};
}

}  // namespace mec::cuda::MEC_SIMT
