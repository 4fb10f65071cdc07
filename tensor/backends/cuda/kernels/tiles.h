// Square tiles of a row-major matrix, through which a block turns columns into rows: both sides
// then move whole runs of memory.
#pragma once

#include "mec/tensor/backends/cuda/kernels/threads.h"

namespace mec::cuda::MEC_SIMT {

constexpr int kTile = 32;              // a warp reads a row of it
// Elements from one row of a tile to the next in shared memory. With one more than kTile, a column
// lies in 32 different banks.
constexpr int kTilePitch = kTile + 1;
constexpr int kTileCells = kTile * kTilePitch;  // of shared memory

// Tile number t of those that cover a matrix of (rows, columns), counted along its rows.
struct Tile {
  std::int64_t row, column;  // its first element

  static MEC_HOST_DEVICE std::int64_t count(std::int64_t rows, std::int64_t columns) {
    return ceil_div(rows, kTile) * ceil_div(columns, kTile);
  }
  static SIMT_DEVICE Tile of(std::int64_t t, std::int64_t columns) {
    const std::int64_t across = ceil_div(columns, kTile), down = t / across;
    return {down * kTile, (t - down * across) * kTile};
  }
  SIMT_DEVICE Tile transposed() const { return {column, row}; }

  // Calls body(i, j, at) for the elements (row + i, column + j) that a matrix of (rows, columns)
  // has, `at` being their place in it; shared out among the threads of a block, neighbours in
  // memory to neighbouring threads.
  template <class F> SIMT_DEVICE void for_each(std::int64_t rows, std::int64_t columns, F body) const {
    const int j = simt::thread() % kWarp;
    if (column + j >= columns) return;
    for (int i = simt::thread() / kWarp; i < kTile && row + i < rows; i += simt::threads() / kWarp) {
      body(i, j, (row + i) * columns + column + j);
    }
  }
};

}  // namespace mec::cuda::MEC_SIMT
