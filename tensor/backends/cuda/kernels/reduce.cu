// Sums read each element once; partial results are few, and folded in an order that follows from
// the sizes, the alignment and the grid's limit. Sums over rows are in columns.h. Sums over
// columns, or of everything (one long row), are taken in a way that depends on the length of a row.
#include "mec/tensor/backends/cuda/kernels/columns.h"

namespace mec::cuda::MEC_SIMT {
namespace {

// Map for a sum of the values themselves.
struct Value {
  template <class A> static SIMT_DEVICE A of(A x) { return x; }
};
// Map for a test: 1 for a value that is not finite, else 0. However many ones there are, their sum
// is 0 only where there is none.
struct NotFinite {
  template <class A> static SIMT_DEVICE A of(A x) { return x - x == A(0) ? A(0) : A(1); }
};

// Thread `first` of `step`'s part of Σ Map(x) over a row: V numbers at a time, each added to a sum
// of its own.
template <class Map, int V, class T>
SIMT_DEVICE Accumulator<T> sum_of_row(const T* row, std::int64_t columns, std::int64_t first, std::int64_t step) {
  using A = Accumulator<T>;
  A sums[V] = {};
  for_each_loaded<4>(
      first, step, columns / V, [&](std::int64_t pack) { return load_pack<V>(row + pack * V); },
      [&](std::int64_t, const Pack<T, V>& in) {
        for (int v = 0; v < V; ++v) sums[v] += Map::of(A(in.at[v]));
      });
  A sum = 0;
  for (int v = 0; v < V; ++v) sum += sums[v];
  const std::int64_t rest = columns / V * V + first;  // fewer than V: a thread has one at most
  return rest < columns ? sum + Map::of(A(row[rest])) : sum;
}

// Long rows, each of which keeps a block or more busy: y[row, chunk] = the sum over that chunk of
// the row.
template <class Map, int V, class T>
SIMT_KERNEL sum_long_rows_kernel(const T* x, std::int64_t rows, std::int64_t columns, Accumulator<T>* y) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, shared, kWarp);
  for (std::int64_t row = simt::block_y(); row < rows; row += simt::blocks_y()) {
    const std::int64_t first = simt::block() * simt::threads() + simt::thread(), step = simt::blocks() * simt::threads();
    const A sum = block_sum(sum_of_row<Map, V>(x + row * columns, columns, first, step), shared);
    if (simt::thread() == 0) y[row * simt::blocks() + simt::block()] = sum;
  }
}

// Short rows: `lanes` neighbours of a warp, a power of two, share one. All lanes of a warp take the
// same number of turns, as shuffles require.
template <int V, class T>
SIMT_KERNEL sum_short_rows_kernel(const T* x, std::int64_t rows, std::int64_t columns, int lanes, Accumulator<T>* y) {
  using A = Accumulator<T>;
  const int lane = simt::thread() & (lanes - 1), line = simt::thread() / lanes, lines = simt::threads() / lanes;
  for (std::int64_t first = simt::block() * lines; first < rows; first += simt::blocks() * lines) {
    const std::int64_t row = first + line;
    A sum = row < rows ? sum_of_row<Value, V>(x + row * columns, columns, lane, lanes) : A(0);
    for (int mask = lanes / 2; mask > 0; mask /= 2) sum += simt::shuffle_xor(sum, mask);
    if (lane == 0 && row < rows) y[row] = sum;
  }
}

template <class A> SIMT_KERNEL none_kernel(const A* counts, std::int64_t n, float* flag) {
  SIMT_SHARED(A, shared, kWarp);
  const A count = block_sum(sum_of_row<Value, 1>(counts, n, simt::thread(), simt::threads()), shared);
  if (simt::thread() == 0) flag[0] = count == A(0) ? 1.0F : 0.0F;
}

// Sums over rows.
template <class A> struct SumResult {
  using State = A;
  A* y;
  static SIMT_DEVICE A zero() { return A(0); }
  static SIMT_DEVICE void merge(A& a, const A& b) { a += b; }
  SIMT_DEVICE void store(std::int64_t c, const A& sum) const { y[c] = sum; }
};

template <class T> struct SumSource {
  const T* x;
  template <int V> SIMT_DEVICE void fold(const Columns&, const ColumnPlace& place, Accumulator<T> (&sums)[V]) const {
    for_each_loaded<4>(
        place.first, place.step, place.end, [&](std::int64_t i) { return load_pack<V>(x + i); },
        [&](std::int64_t, const Pack<T, V>& in) {
          for (int v = 0; v < V; ++v) sums[v] += Accumulator<T>(in.at[v]);
        });
  }
};

}  // namespace

// A grid of (chunks of a row) × rows. A thread meets at least eight packs where there are enough.
simt::Grid KernelBackend::grid_for_long_rows(std::int64_t rows, std::int64_t packs) const {
  const std::int64_t chunks = std::min(grid_limit_ / std::max<std::int64_t>(rows, 1), ceil_div(packs, kBlock * 8));
  return {.x = std::max<std::int64_t>(chunks, 1), .y = std::min<std::int64_t>({rows, grid_limit_, 65535}), .threads = kBlock};
}

template <class T> void KernelBackend::sum_rows(const T* x, std::int64_t rows, std::int64_t columns, Accumulator<T>* y) {
  using A = Accumulator<T>;
  with_pack_size<T>(aligned_for_packs(x) && (rows == 1 || columns % kPack<T> == 0), [&]<int V>() {
    const std::int64_t packs = ceil_div(columns, V);
    if (rows > 1 && packs <= 4 * kWarp) {
      const int lanes = columns_of(rows, columns, V).lanes;
      simt::launch("reduce", sum_short_rows_kernel<V, T>, grid_for(rows * lanes), stream(), x, rows, columns, lanes, y);
      return;
    }
    const simt::Grid grid = grid_for_long_rows(rows, packs);
    A* const sums = grid.x > 1 ? scratch_array<A>(rows * grid.x) : y;  // (rows, chunks)
    simt::launch("reduce", sum_long_rows_kernel<Value, V, T>, grid, stream(), x, rows, columns, sums);
    if (grid.x == 1) return;
    simt::launch("reduce", sum_long_rows_kernel<Value, 1, A>, {.y = grid.y, .threads = kBlock}, stream(), sums, rows, grid.x,
                 y);
  });
}

void run(KernelBackend& device, const kernel::Reduce& call) {
  const std::int64_t n = call.x.numel();
  const std::int64_t columns = call.x.shape.rank() ? call.x.shape.dim(-1) : 1;
  const std::int64_t rows = columns ? n / columns : call.y.numel();
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    if (call.how == Reduce::all || (call.how == Reduce::over_rows && columns == 1)) {
      device.sum_rows(call.x.as<T>(), 1, n, call.y.as<A>());
    } else if (call.how == Reduce::over_columns) {
      device.sum_rows(call.x.as<T>(), rows, columns, call.y.as<A>());
    } else {
      device.with_pack_size<T>(rows_of_packs<T>(columns, call.x.data), [&]<int V>() {
        device.fold_columns<V>(call.name, columns_of(rows, columns, V), SumSource<T>{call.x.as<T>()},
                               SumResult<A>{call.y.as<A>()});
      });
    }
  });
}

void run(KernelBackend& device, const kernel::AllFinite& call) {
  const std::int64_t n = call.x.numel();
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    device.with_pack_size<T>(aligned_for_packs(call.x.data), [&]<int V>() {
      const simt::Grid grid = device.grid_for_long_rows(1, ceil_div(n, V));
      A* const counts = device.scratch_array<A>(grid.x);
      simt::launch(call.name, sum_long_rows_kernel<NotFinite, V, T>, grid, device.stream(), call.x.as<T>(), 1, n, counts);
      simt::launch(call.name, none_kernel<A>, {.threads = kBlock}, device.stream(), counts, grid.x, call.flag.as<float>());
    });
  });
}

constinit const ReduceKernels reduce_kernels = KernelsOf<KernelBackend, ReduceKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
