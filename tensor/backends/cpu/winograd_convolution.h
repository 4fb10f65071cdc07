// Winograd's algorithm for a convolution and for the gradient of its input (winograd.h).
#pragma once

#include "mec/tensor/backends/cpu/winograd.h"

namespace mec::cpu::MEC_ISA {

// Memory of a thread: the transformed sources of some tiles, a pixel of zeros, and sums.
struct WinogradScratch {
  static constexpr std::int64_t kSourceBytes = 1 << 20, kMostGroups = 4;
  struct Sums {
    Tile2d<float> tile;
    float apart[kApart];
  };
  std::int64_t groups, depth;  // groups of kTileRows tiles

  explicit WinogradScratch(const Direction& d) : depth(d.depth) {
    const std::int64_t group_bytes = kWinogradProducts * kTileRows * depth * static_cast<std::int64_t>(sizeof(float));
    groups = larger(1, smaller(kMostGroups, kSourceBytes / group_bytes));
  }
  std::int64_t tiles() const { return groups * kTileRows; }
  std::int64_t source_step() const { return tiles() * depth + kApart; }
  std::int64_t zeros_at() const { return kWinogradProducts * source_step(); }
  std::int64_t sums_at() const { return zeros_at() + aligned_count(depth); }
  std::int64_t values() const {
    return sums_at() + groups * kWinogradProducts * static_cast<std::int64_t>(sizeof(Sums) / sizeof(float));
  }
};

// A way to sum, like Direct in portable_convolution.cpp.
struct Winograd {
  static std::int64_t weight_step(const Direction& d) { return d.depth * kTileColumns<float> + kApart; }
  static std::int64_t panel_values(const Direction& d) { return kWinogradProducts * weight_step(d); }
  static std::int64_t thread_values(const Direction& d) { return aligned_count(WinogradScratch(d).values()); }
  static std::int64_t least_images(const Direction& d) { return ceil_div(WinogradScratch(d).tiles(), winograd_tiles(d)); }

  // For each of the 36 products, a row for each source channel.
  template <class PackTap> static void pack(const Direction& d, PackTap pack_tap, Range channels, float* panel) {
    constexpr std::int64_t kTaps = kWinogradTaps * kWinogradTaps, kAtOnce = 16, kValues = kAtOnce * kTileColumns<float>;
    float taps[kTaps][kValues];
    for (std::int64_t first = channels.begin; first < channels.end; first += kAtOnce) {
      for (std::int64_t tap = 0; tap < kTaps; ++tap) {
        pack_tap(d.rows.gradient ? kTaps - 1 - tap : tap, first, kAtOnce, taps[tap]);  // a gradient meets them in reverse
      }
      float* const rows = panel + first * kTileColumns<float>;
      transform_squares<kTapTransform>(
          kValues, [&](std::int64_t tap) { return taps[tap]; },
          [&](std::int64_t i, std::int64_t at, Floats values) { store(rows + i * weight_step(d) + at, values); });
    }
  }

  // All images of the block, some tiles at a time: their sources are transformed once; then each
  // panel takes its 36 products, and the results from them.
  template <class R> static void sum(const Direction& d, const Block<float, R>& block, float* memory) noexcept {
    const WinogradScratch scratch(d);
    float* const zeros = memory + scratch.zeros_at();
    auto* const sums = reinterpret_cast<WinogradScratch::Sums*>(memory + scratch.sums_at());
    for (std::int64_t c = 0; c < d.depth; ++c) zeros[c] = 0;
    const std::int64_t tiles = block.images * winograd_tiles(d);
    for (std::int64_t first = 0; first < tiles; first += scratch.tiles()) {
      const std::int64_t count = smaller(scratch.tiles(), tiles - first);
      for (std::int64_t t = 0; t < count; ++t) {
        transform_source(d, block.source, WinogradTile::at(d, first + t), zeros, memory + t * d.depth, scratch.source_step());
      }
      for (std::int64_t index = block.panels.begin; index < block.panels.end; ++index) {
        const Panel panel = Panel::at<float>(d, index);
        multiply(d, scratch, memory, count, block.weights(index, panel_values(d)), panel.columns, sums);
        for (std::int64_t t = 0; t < count; ++t) {
          transform_result(d, block, panel, sums + t / kTileRows * kWinogradProducts, t % kTileRows,
                           WinogradTile::at(d, first + t));
        }
      }
    }
  }

 private:
  // to[product·step + c]
  static void transform_source(const Direction& d, const float* source, const WinogradTile& tile, const float* zeros, float* to,
                               std::int64_t step) noexcept {
    const Square<kWinogradSources, float> square(source + tile.image * d.source_values(), d.rows.source, d.columns.source,
                                                 d.depth, tile.source_row, tile.source_column, zeros);
    transform_squares<kSourceTransform>(
        d.depth, [&](std::int64_t i) { return square.pixels[i]; },
        [&](std::int64_t i, std::int64_t c, Floats values) { store(to + i * step + c, values); });
  }

  // sums[group·36 + product] of `count` tiles.
  static void multiply(const Direction& d, const WinogradScratch& scratch, const float* sources, std::int64_t count,
                       const float* weights, std::int64_t columns, WinogradScratch::Sums* sums) noexcept {
    const Stretch all{0, 0, d.depth};
    TileTask<float> task{
        .rows = {}, .left_step = 1, .right = nullptr, .right_step = kTileColumns<float>, .stretches = &all, .count = 1};
    for (std::int64_t product = 0; product < kWinogradProducts; ++product) {
      task.right = weights + product * weight_step(d);
      for (std::int64_t group = 0; group * kTileRows < count; ++group) {
        for (std::int64_t r = 0; r < kTileRows; ++r) {
          const std::int64_t t = smaller(group * kTileRows + r, count - 1);  // the last once more, and thrown away
          task.rows[r] = sources + product * scratch.source_step() + t * d.depth;
        }
        sum_tile(task, columns, sums[group * kWinogradProducts + product].tile);
      }
    }
  }

  // One row of the 36 sums into those results of its tile that lie within the image.
  template <class R>
  static void transform_result(const Direction& d, const Block<float, R>& block, const Panel& panel,
                               const WinogradScratch::Sums* sums, std::int64_t row, const WinogradTile& tile) noexcept {
    float results[kWinogradResults * kWinogradResults][kTileColumns<float>];
    transform_squares<kResultTransform>(
        panel.columns, [&](std::int64_t i) { return sums[i].tile.at[row]; },
        [&](std::int64_t i, std::int64_t c, Floats values) { store(results[i] + c, values); });
    R* const image = block.result + tile.image * d.result_values() + panel.left;
    const std::int64_t rows = smaller(kWinogradResults, d.rows.result - tile.row);
    const std::int64_t across = smaller(kWinogradResults, d.columns.result - tile.column);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < across; ++j) {
        R* const pixel = image + ((tile.row + i) * d.columns.result + tile.column + j) * d.width;
        store_results(block, results[i * kWinogradResults + j], panel.left, panel.columns, pixel);
      }
    }
  }
};

}  // namespace mec::cpu::MEC_ISA
