// How a matrix (R,C) is cut: into chunks of rows and panels of columns, by its sizes alone. A task
// works on one chunk of one panel. Sums of chunks are put together in f64, in their order, so no
// result depends on the number of threads.
#pragma once

#include "mec/tensor/backends/cpu/parallel.h"

namespace mec::cpu::MEC_ISA {

// Columns of a panel: its sums and constants take a few KiB of stack.
constexpr std::int64_t kPanel = 256;
constexpr std::int64_t kSumRows = 8;  // rows that share one load and store of the sums
// Narrow rows are laid side by side until they are this wide: where sums are taken, eight rows at
// once should be one stretch of memory; where nothing is summed, the inner loop should be long.
constexpr std::int64_t kSumWidth = 64, kMapWidth = 256;
constexpr std::int64_t kChunk = 65536;  // elements of a chunk of one panel

// How a matrix is cut. A wide row is `fold` rows side by side; the last one may be cut short.
struct Cut {
  std::int64_t channels, fold, width, size;
  std::int64_t wide_rows, chunk_rows, chunks, panels;

  Cut(std::int64_t numel_, std::int64_t channels_, std::int64_t least_width) : channels(channels_), size(numel_) {
    fold = larger(1, least_width / larger(channels, 1));
    width = fold * channels;
    wide_rows = ceil_div(size, width);
    panels = ceil_div(width, kPanel);
    chunk_rows = larger(kChunk / smaller(width, kPanel) / kSumRows, 1) * kSumRows;
    chunks = ceil_div(wide_rows, chunk_rows);
  }
  std::int64_t tasks() const { return chunks * panels; }
};

// One chunk of one panel: columns [left, left + columns) of wide rows [top, top + rows), and, where
// the matrix ends in a cut wide row, `last_columns` of one row more.
struct Tile {
  std::int64_t chunk, top, rows, left, columns, last_columns;

  Tile(const Cut& cut, std::int64_t task) : chunk(task / cut.panels) {
    left = task % cut.panels * kPanel;
    columns = smaller(kPanel, cut.width - left);
    top = chunk * cut.chunk_rows;
    rows = smaller(cut.chunk_rows, cut.wide_rows - top);
    last_columns = 0;
    const std::int64_t cut_short = cut.size % cut.width;
    if (chunk + 1 == cut.chunks && cut_short) {
      --rows;
      last_columns = larger(0, smaller(columns, cut_short - left));
    }
  }
  // Rows of the tile in its column v.
  std::int64_t count(std::int64_t v) const { return rows + (v < last_columns ? 1 : 0); }
};

// body(offset of the first element, columns, number of rows as a compile-time constant) over all
// rows of a tile.
template <std::int64_t N> struct Rows { static constexpr std::int64_t count = N; };

template <std::int64_t kAtOnce, class Body> void for_rows(const Cut& cut, const Tile& tile, Body body) {
  std::int64_t r = 0;
  std::int64_t at = tile.top * cut.width + tile.left;
  for (; r + kAtOnce <= tile.rows; r += kAtOnce, at += kAtOnce * cut.width) body(at, tile.columns, Rows<kAtOnce>{});
  for (; r < tile.rows; ++r, at += cut.width) body(at, tile.columns, Rows<1>{});
  if (tile.last_columns) body(at, tile.last_columns, Rows<1>{});
}

// dst[v] = f(channel of the tile's column v)
template <class A, class F> void per_column(const Cut& cut, const Tile& tile, A* dst, F f) {
  std::int64_t channel = tile.left % cut.channels;
  for (std::int64_t v = 0; v < tile.columns; ++v) {
    dst[v] = f(channel);
    if (++channel == cut.channels) channel = 0;
  }
}

// The sum of channel c from the (chunks, width) sums of all tiles: chunk after chunk, fold after
// fold.
template <class A> double sum_of_parts(const Cut& cut, const A* parts, std::int64_t c) {
  double sum = 0;
  for (std::int64_t i = c; i < cut.chunks * cut.width; i += cut.channels) sum += static_cast<double>(parts[i]);
  return sum;
}

}  // namespace mec::cpu::MEC_ISA
