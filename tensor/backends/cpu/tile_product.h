// The inner loop of every portable product: a tile of kTileRows rows and one or two vectors of
// columns is summed in registers.
#pragma once

#include "mec/tensor/backends/cpu/parallel.h"

namespace mec::cpu::MEC_ISA {

// A tile's sums and one row of the right operand stay in registers. More rows would need more
// pointers to them than there are registers.
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kTileRows = 8;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kTileRows = 6;
#else
constexpr int kVectorBytes = 16, kTileRows = 6;
#endif
template <class A> constexpr std::int64_t kLanes = kVectorBytes / static_cast<int>(sizeof(A));
template <class A> constexpr std::int64_t kTileColumns = 2 * kLanes<A>;

// Two neighbours of the inner dimension in bf16: one element, where the processor multiplies and
// adds such pairs in f32 (AVX512-BF16).
struct Bf16Pair {
  bf16 first, second;
};
static_assert(sizeof(Bf16Pair) == sizeof(float));

// What sums of products of elements E are kept in.
template <class E> struct SumOf { using type = E; };
template <> struct SumOf<Bf16Pair> { using type = float; };
template <class E> using Sum = typename SumOf<E>::type;

template <class S> struct Vector {
  typedef S Values __attribute__((vector_size(kVectorBytes)));
  typedef S Anywhere __attribute__((vector_size(kVectorBytes), aligned(alignof(S)), may_alias));  // in memory
};

// A stretch of the inner dimension: where it starts in the left and in the right operand, and its
// length.
struct Stretch {
  std::int64_t left, right, depth;
};

template <class E> struct TileTask {
  // The left operand: element (r,k) of a stretch is rows[r][left + k·left_step].
  const E* rows[kTileRows];
  std::int64_t left_step;
  const E* right;  // element (k,c) is right[right + k·right_step + c]; whole vectors are read
  std::int64_t right_step;
  const Stretch* stretches;
  std::int64_t count;
};

template <class S> struct Tile2d { S at[kTileRows][kTileColumns<S>]; };

// How a row of the right operand is held in registers, and multiplied by one left element.
template <class E> struct RightRow {
  using Values = typename Vector<E>::Values;
  static Values load(const E* at) { return *reinterpret_cast<const typename Vector<E>::Anywhere*>(at); }
  static void multiply_add(Values& sum, E left, Values right) { sum += left * right; }
};

#if defined(__AVX512F__)
// In assembler, since only kernels that the processor is asked about may use the instruction.
template <> struct RightRow<Bf16Pair> {
  using Values = Vector<std::int32_t>::Values;
  static Values load(const Bf16Pair* at) { return *reinterpret_cast<const Vector<std::int32_t>::Anywhere*>(at); }
  static void multiply_add(Vector<float>::Values& sum, Bf16Pair left, Values right) {
    const Values both = Values{} + __builtin_bit_cast(std::int32_t, left);
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(both), "v"(right));
  }
};
#endif

// tile[r][c] = Σ over stretches and k of left(r,k)·right(k,c), c < kVectors·kLanes. The sums stay
// in registers only where every access to them has a constant index and takes no address: hence the
// unrolled loops, and loads and stores through an unaligned vector type instead of memcpy.
// noexcept, like whatever a parallel region calls: otherwise clang adds a shared helper to this
// file (see parallel.h).
template <int kVectors, class E> void sum_tile(const TileTask<E>& task, Tile2d<Sum<E>>& tile) noexcept {
  using S = Sum<E>;
  typename Vector<S>::Values sum[kTileRows][kVectors] = {};
  for (std::int64_t s = 0; s < task.count; ++s) {
    const Stretch stretch = task.stretches[s];
    const E* right = task.right + stretch.right;
    std::int64_t at = stretch.left;
    for (std::int64_t k = 0; k < stretch.depth; ++k, at += task.left_step, right += task.right_step) {
      typename RightRow<E>::Values row[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) row[v] = RightRow<E>::load(right + v * kLanes<E>);
#pragma GCC unroll 8
      for (int r = 0; r < kTileRows; ++r) {
        const E left = task.rows[r][at];
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) RightRow<E>::multiply_add(sum[r][v], left, row[v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      *reinterpret_cast<typename Vector<S>::Anywhere*>(tile.at[r] + v * kLanes<S>) = sum[r][v];
    }
  }
}

template <class E> void sum_tile(const TileTask<E>& task, std::int64_t columns, Tile2d<Sum<E>>& tile) noexcept {
  if (columns <= kLanes<E>) sum_tile<1>(task, tile);
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

inline void pair_up(const bf16* first, const bf16* second, std::int64_t count, Bf16Pair* pairs) noexcept {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    pairs[i].first.bits = first[i].bits;
    pairs[i].second.bits = second[i].bits;
  }
}

// The right operand lies in panels: as many columns as a tile has, row after row. A panel with
// fewer columns ends in zeros.
//
// panel[k][c] = from[k·step + c], where the matrix lies row after row
template <class T, class E>
void pack_rows(const T* from, std::int64_t step, std::int64_t depth, std::int64_t columns, E* panel) noexcept {
  for (std::int64_t k = 0; k < depth; ++k, from += step, panel += kTileColumns<E>) {
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) panel[c] = E(from[c]);
    for (std::int64_t c = columns; c < kTileColumns<E>; ++c) panel[c] = E{};
  }
}
// Rows 2k and 2k + 1 are the first and the second of row k of pairs.
inline void pack_rows(const bf16* from, std::int64_t step, std::int64_t depth, std::int64_t columns, Bf16Pair* panel) noexcept {
  for (std::int64_t k = 0; k < depth; ++k, from += 2 * step, panel += kTileColumns<Bf16Pair>) {
    pair_up(from, from + step, columns, panel);
    for (std::int64_t c = columns; c < kTileColumns<Bf16Pair>; ++c) panel[c] = {};
  }
}

// panel[k][c] = from[c·step + k], where it lies column after column. Some rows at a time, so that
// the lines that are written stay in the cache.
template <class T, class E>
void pack_columns(const T* from, std::int64_t step, std::int64_t depth, std::int64_t columns, E* panel) noexcept {
  constexpr std::int64_t kAtOnce = 16;
  for (std::int64_t top = 0; top < depth; top += kAtOnce) {
    const std::int64_t bottom = smaller(depth, top + kAtOnce);
    for (std::int64_t c = 0; c < kTileColumns<E>; ++c) {
      for (std::int64_t k = top; k < bottom; ++k) panel[k * kTileColumns<E> + c] = c < columns ? E(from[c * step + k]) : E{};
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

// f.operator()<Stored, E>(): how products read operands of type T, and the elements that they
// multiply. `pairs`: whether bf16 may be multiplied in pairs.
template <class T, class F> void with_elements([[maybe_unused]] bool pairs, F f) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, bf16>) {
    if (pairs) return f.template operator()<Bf16Pair, Bf16Pair>();
  }
#endif
  f.template operator()<T, Accumulator<T>>();
}

constexpr std::int64_t aligned_count(std::int64_t n) { return ceil_div(n, 16) * 16; }  // keeps 64-byte alignment

}  // namespace mec::cpu::MEC_ISA
