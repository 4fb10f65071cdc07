// How many blocks a kernel is started with.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mec::cuda::simt {

// The axis along which the blocks of a grid share out a loop, where any number of blocks gives the
// same bits.
enum class LoopAxis : std::uint8_t { none, x, y };

struct Grid {
  std::int64_t x = 1, y = 1;  // blocks
  int threads = 256;          // of a block, a multiple of 32
  LoopAxis loop = LoopAxis::none;
};

// The grid for a device that runs `resident` blocks of the kernel at a time: a loop is shared out
// among no more blocks than that, since a second, partial wave of blocks would leave most of the
// device idle.
inline Grid fitted(Grid grid, std::int64_t resident) {
  if (grid.x == 0 || grid.y == 0) return grid;
  if (grid.loop == LoopAxis::x) grid.x = std::clamp<std::int64_t>(resident / grid.y, 1, grid.x);
  if (grid.loop == LoopAxis::y) grid.y = std::clamp<std::int64_t>(resident / grid.x, 1, grid.y);
  return grid;
}

}  // namespace mec::cuda::simt
