// How a kernel shares out a matrix (R,C) when each channel has numbers of its own: batch norm, sums
// over rows.
//
// A thread owns V neighbouring channels and takes every so many rows, so that what belongs to a
// channel stays in its registers and no index is ever divided. Threads side by side read up to 512
// bytes of a row at once; the others of a block take the rows below, and a grid of (groups of
// channels) × (chunks of rows) fills the device however narrow the matrix is. Sums are folded
// within a block, written once per chunk, and folded by a second kernel: all in an order that
// follows from the sizes, the alignment and the grid's limit.
#pragma once

#include <bit>

#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"

namespace mec::cuda::MEC_SIMT {

struct Columns {
  std::int64_t rows, channels;
  int pack;   // V
  int lanes;  // threads of a block side by side, a power of two
};

inline Columns columns_of(std::int64_t rows, std::int64_t channels, int pack) {
  const std::int64_t packs = std::clamp<std::int64_t>(ceil_div(channels, pack), 1, kWarp);
  return {rows, channels, pack, static_cast<int>(std::bit_ceil(static_cast<unsigned>(packs)))};
}

// Whether packs of T fit the rows and these pointers.
template <class T, class... Pointers> bool rows_of_packs(std::int64_t channels, const Pointers*... pointers) {
  return channels % kPack<T> == 0 && aligned_for_packs(pointers...);
}

// Chunks of rows in which a thread meets at least `rows_per_thread`, where there are so many.
inline std::int64_t chunks_of(const Columns& matrix, std::int64_t rows_per_thread) {
  return ceil_div(matrix.rows, kBlock / matrix.lanes * rows_per_thread);
}

// What one thread has to do: its V channels begin at `channel`, and in memory at elements `first`,
// `first` + `step`, … below `end`. Elements are counted instead of rows because one number then
// does for all tensors of the same shape, and saves a dozen registers.
struct ColumnPlace {
  std::int64_t channel, first, step, end;
  bool inside;
};
// The calling thread's place in chunk `chunk` of `chunks`.
SIMT_DEVICE ColumnPlace column_place(const Columns& matrix, std::int64_t chunk, std::int64_t chunks) {
  const int lane = simt::thread() & (matrix.lanes - 1), line = simt::thread() / matrix.lanes;
  const int lines = simt::threads() / matrix.lanes;
  const std::int64_t channel = (simt::block() * matrix.lanes + lane) * matrix.pack;
  return {.channel = channel,
          .first = (chunk * lines + line) * matrix.channels + channel,
          .step = chunks * lines * matrix.channels,
          .end = matrix.rows * matrix.channels,
          .inside = channel < matrix.channels};
}
// Where the thread's element `i` lies when rows are counted from the last.
SIMT_DEVICE std::int64_t from_the_end(const ColumnPlace& place, const Columns& matrix, std::int64_t i) {
  return place.end - matrix.channels + 2 * place.channel - i;
}

// Merges into value[v] what the other threads of the block have for the same channels, in a fixed
// order: threads of the first line get the total. `shared` has kBlock / 2 * V elements, and may be
// used again at once. Neighbours write to neighbouring banks.
template <int V, class State, class Merge>
SIMT_DEVICE void fold_lines(const Columns& matrix, State (&value)[V], State* shared, Merge merge) {
  const int thread = simt::thread();
  for (int half = simt::threads() / 2; half >= matrix.lanes; half /= 2) {
    if (thread >= half && thread < 2 * half) {
      for (int v = 0; v < V; ++v) shared[v * (kBlock / 2) + thread - half] = value[v];
    }
    simt::sync();
    if (thread < half) {
      for (int v = 0; v < V; ++v) merge(value[v], shared[v * (kBlock / 2) + thread]);
    }
    simt::sync();
  }
}

// Result has State, zero(), merge(State&, State) and store(channel, State); Source has fold(matrix,
// place, State (&)[V]), which sees a thread's rows. With one chunk the result is stored at once,
// otherwise partials (chunks, C) are left for the second kernel. Left to itself, ptxas saves
// registers by waiting for one row's loads before it starts those of the next.
template <int V, class Source, class Result>
SIMT_KERNEL_SHARING(2)
fold_columns_kernel(Columns matrix, Source source, Result result, typename Result::State* partials) {
  using State = typename Result::State;
  SIMT_SHARED(State, shared, kBlock / 2 * V);
  const ColumnPlace place = column_place(matrix, simt::block_y(), simt::blocks_y());
  State state[V];
  for (int v = 0; v < V; ++v) state[v] = Result::zero();
  if (place.inside) source.fold(matrix, place, state);
  fold_lines(matrix, state, shared, Result::merge);
  if (simt::thread() >= matrix.lanes || !place.inside) return;
  for (int v = 0; v < V; ++v) {
    if (simt::blocks_y() == 1) result.store(place.channel + v, state[v]);
    else partials[simt::block_y() * matrix.channels + place.channel + v] = state[v];
  }
}

// The second kernel's source: partials (chunks, C).
template <class Result> struct PartialSource {
  const typename Result::State* partials;
  template <class State> SIMT_DEVICE void fold(const Columns&, const ColumnPlace& place, State (&state)[1]) const {
    for_each_loaded<4>(
        place.first, place.step, place.end, [&](std::int64_t i) { return partials[i]; },
        [&](std::int64_t, const State& partial) { Result::merge(state[0], partial); });
  }
};

// A thread meets at least 16 rows where there are enough: what folding and partials cost is then a
// few per cent of reading.
template <int V, class Source, class Result>
void KernelBackend::fold_columns(const char* name, const Columns& matrix, const Source& source, const Result& result) {
  using State = typename Result::State;
  const simt::Grid grid = grid_for_columns(matrix, chunks_of(matrix, 16));
  State* const partials = grid.y > 1 ? scratch_array<State>(grid.y * matrix.channels) : nullptr;
  simt::launch(name, fold_columns_kernel<V, Source, Result>, grid, stream(), matrix, source, result, partials);
  if (grid.y == 1) return;
  // Eight channels for each block, so that 32 threads share the partials of a channel: one thread
  // alone would take too long to merge them one after the other.
  const Columns chunks{grid.y, matrix.channels, 1, 8};
  simt::launch(name, fold_columns_kernel<1, PartialSource<Result>, Result>,
               {.x = ceil_div(matrix.channels, chunks.lanes), .threads = kBlock}, stream(), chunks,
               PartialSource<Result>{partials}, result, nullptr);
}

}  // namespace mec::cuda::MEC_SIMT
