// The inner loop of every portable product: a tile of kTileRows rows and one or two vectors of
// columns is summed in registers.
#pragma once

#include "mec/tensor/backends/cpu/parallel.h"

namespace mec::cpu::MEC_ISA {

// A tile's sums and one row of the right operand fill the registers.
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kTileRows = 8;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kTileRows = 6;
#else
constexpr int kVectorBytes = 16, kTileRows = 6;
#endif
template <class A> constexpr std::int64_t kLanes = kVectorBytes / static_cast<int>(sizeof(A));
template <class A> constexpr std::int64_t kTileColumns = 2 * kLanes<A>;

// A stretch of the inner dimension: where it starts in the left and in the right operand, and its
// length.
struct Stretch {
  std::int64_t left, right, depth;
};

template <class A> struct TileTask {
  // The left operand: element (r,k) of a stretch is rows[r][left + k·left_step].
  const A* rows[kTileRows];
  std::int64_t left_step;
  const A* right;  // element (k,c) is right[right + k·right_step + c]; whole vectors are read
  std::int64_t right_step;
  const Stretch* stretches;
  std::int64_t count;
};

template <class A> struct Tile2d { A at[kTileRows][kTileColumns<A>]; };

// tile[r][c] = Σ over stretches and k of left(r,k)·right(k,c), c < kVectors·kLanes. The sums stay
// in registers only where every access to them has a constant index and takes no address: hence the
// unrolled loops, and loads and stores through an unaligned vector type instead of memcpy.
// noexcept, like whatever a parallel region calls: otherwise clang adds a shared helper to this
// file (see parallel.h).
template <int kVectors, class A> void sum_tile(const TileTask<A>& task, Tile2d<A>& tile) noexcept {
  typedef A Vector __attribute__((vector_size(kVectorBytes)));
  typedef A Anywhere __attribute__((vector_size(kVectorBytes), aligned(alignof(A)), may_alias));
  Vector sum[kTileRows][kVectors] = {};
  for (std::int64_t s = 0; s < task.count; ++s) {
    const Stretch stretch = task.stretches[s];
    const A* right = task.right + stretch.right;
    std::int64_t at = stretch.left;
    for (std::int64_t k = 0; k < stretch.depth; ++k, at += task.left_step, right += task.right_step) {
      Vector column[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) column[v] = *reinterpret_cast<const Anywhere*>(right + v * kLanes<A>);
#pragma GCC unroll 8
      for (int r = 0; r < kTileRows; ++r) {
        const A left = task.rows[r][at];
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[r][v] += left * column[v];
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) *reinterpret_cast<Anywhere*>(tile.at[r] + v * kLanes<A>) = sum[r][v];
  }
}

template <class A> void sum_tile(const TileTask<A>& task, std::int64_t columns, Tile2d<A>& tile) noexcept {
  if (columns <= kLanes<A>) sum_tile<1>(task, tile);
  else sum_tile<2>(task, tile);
}

// One row of a tile into the result, which may be of a narrower type. Most rows are whole vectors,
// whose number the compiler should know.
template <class A, class R, class N> void store_columns(const A* sums, R* y, N columns, bool accumulate) noexcept {
  if (accumulate) {
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) put(y[c], sums[c] + A(y[c]));
  } else {
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) put(y[c], sums[c]);
  }
}
template <class A, class R> void store_row(const A* sums, R* y, std::int64_t columns, bool accumulate) noexcept {
  if (columns == kTileColumns<A>) store_columns(sums, y, std::integral_constant<std::int64_t, kTileColumns<A>>{}, accumulate);
  else if (columns == kLanes<A>) store_columns(sums, y, std::integral_constant<std::int64_t, kLanes<A>>{}, accumulate);
  else store_columns(sums, y, columns, accumulate);
}

// The right operand lies in panels: as many columns as a tile has, row after row. A panel with
// fewer columns ends in zeros.
//
// panel[k][c] = from[k·step + c], where the matrix lies row after row
template <class T, class A>
void pack_rows(const T* from, std::int64_t step, std::int64_t depth, std::int64_t columns, A* panel) noexcept {
  for (std::int64_t k = 0; k < depth; ++k, from += step, panel += kTileColumns<A>) {
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) panel[c] = A(from[c]);
    for (std::int64_t c = columns; c < kTileColumns<A>; ++c) panel[c] = 0;
  }
}

// panel[k][c] = from[c·step + k], where it lies column after column. Some rows at a time, so that
// the lines that are written stay in the cache.
template <class T, class A>
void pack_columns(const T* from, std::int64_t step, std::int64_t depth, std::int64_t columns, A* panel) noexcept {
  constexpr std::int64_t kAtOnce = 16;
  for (std::int64_t top = 0; top < depth; top += kAtOnce) {
    const std::int64_t bottom = smaller(depth, top + kAtOnce);
    for (std::int64_t c = 0; c < kTileColumns<A>; ++c) {
      for (std::int64_t k = top; k < bottom; ++k) panel[k * kTileColumns<A> + c] = c < columns ? A(from[c * step + k]) : A(0);
    }
  }
}

// f.operator()<Operand, Result>(): the result has the operands' type, or is f32 for bf16 operands.
template <class F> void with_product_types(Dtype operand, Dtype result, F f) {
  if (operand == Dtype::f64) return f.template operator()<double, double>();
  if (operand == Dtype::f32) return f.template operator()<float, float>();
  if (result == Dtype::f32) return f.template operator()<bf16, float>();
  return f.template operator()<bf16, bf16>();
}

constexpr std::int64_t aligned_count(std::int64_t n) { return ceil_div(n, 16) * 16; }  // keeps 64-byte alignment

}  // namespace mec::cpu::MEC_ISA
