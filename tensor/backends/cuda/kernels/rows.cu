#include <bit>
#include <limits>

#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"

namespace mec::cuda::MEC_SIMT {
namespace {

// A team shares a row: a warp, or, where rows are Wide, the whole block. A warp needs no barrier,
// and eight of them keep more rows in flight; but it would take a row of 2048 in 64 steps and leave
// most of the device idle.
constexpr std::int64_t kWideRow = 1024;
// And from here on, blocks of twice as many threads, which have 128 registers each.
constexpr std::int64_t kVeryWideRow = 8192;

template <bool Wide> SIMT_DEVICE int team_lane() { return Wide ? simt::thread() : simt::thread() % kWarp; }
template <bool Wide> SIMT_DEVICE int team_size() { return Wide ? simt::threads() : kWarp; }

// Calls body(row) for each row, shared out among the teams.
template <bool Wide, class F> SIMT_DEVICE void for_each_row(std::int64_t rows, F body) {
  const std::int64_t teams = simt::threads() / team_size<Wide>();
  for (std::int64_t row = simt::block() * teams + simt::thread() / team_size<Wide>(); row < rows;
       row += simt::blocks() * teams) {
    body(row);
  }
}

// Calls body.operator()<W>(i) for the elements of a row of `array`, shared out among the threads of
// a team.
template <bool Wide, int V, class T, class F>
SIMT_DEVICE void for_row(const T* array, std::int64_t row, std::int64_t columns, F body) {
  for_span<V>(array, row * columns, (row + 1) * columns, team_lane<Wide>(), team_size<Wide>(), body);
}

template <bool Wide, class A> SIMT_DEVICE A team_sum(A value, A* shared) {
  if constexpr (Wide) return block_sum(value, shared);
  else return warp_sum(value);
}

template <class A> SIMT_DEVICE A warp_max(A value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const A other = simt::shuffle_xor(value, mask);
    value = other > value ? other : value;
  }
  return value;
}
template <bool Wide, class A> SIMT_DEVICE A team_max(A value, A* shared) {
  value = warp_max(value);
  if constexpr (Wide) {
    const int lane = simt::thread() % kWarp;
    simt::sync();
    if (lane == 0) shared[simt::thread() / kWarp] = value;
    simt::sync();
    value = warp_max(shared[lane < simt::threads() / kWarp ? lane : 0]);
  }
  return value;
}

template <bool Wide, int V, class T>
SIMT_KERNEL normalize_rows_kernel(const T* x, T* y, T* inv_norm, std::int64_t rows, std::int64_t columns, T eps) {
  SIMT_SHARED(T, shared, kWarp);
  for_each_row<Wide>(rows, [&](std::int64_t row) {
    T squares = 0;
    for_row<Wide, V>(x, row, columns, [&]<int W>(std::int64_t i) {
      const Pack<T, W> in = load_pack<W>(x + i);
      for (int v = 0; v < W; ++v) squares += in.at[v] * in.at[v];
    });
    const T norm = std::sqrt(team_sum<Wide>(squares, shared));
    const T inverse = T(1) / (norm < eps ? eps : norm);
    for_row<Wide, V>(x, row, columns, [&]<int W>(std::int64_t i) {
      Pack<T, W> values = load_pack<W>(x + i);  // from the cache
      for (int v = 0; v < W; ++v) values.at[v] *= inverse;
      store_pack<W>(y + i, values);
    });
    if (team_lane<Wide>() == 0) inv_norm[row] = inverse;
  });
}

// dx = (dy − y·(y·dy))·inv_norm
template <bool Wide, int V, class T>
SIMT_KERNEL normalize_rows_grad_kernel(const T* y, const T* inv_norm, const T* dy, T* dx, std::int64_t rows,
                                       std::int64_t columns) {
  SIMT_SHARED(T, shared, kWarp);
  for_each_row<Wide>(rows, [&](std::int64_t row) {
    T radial = 0;
    for_row<Wide, V>(y, row, columns, [&]<int W>(std::int64_t i) {
      const Pack<T, W> unit = load_pack<W>(y + i), gradient = load_pack<W>(dy + i);
      for (int v = 0; v < W; ++v) radial += unit.at[v] * gradient.at[v];
    });
    radial = team_sum<Wide>(radial, shared);
    const T inverse = inv_norm[row];
    for_row<Wide, V>(y, row, columns, [&]<int W>(std::int64_t i) {
      const Pack<T, W> unit = load_pack<W>(y + i);
      Pack<T, W> gradient = load_pack<W>(dy + i);
      for (int v = 0; v < W; ++v) gradient.at[v] = (gradient.at[v] - unit.at[v] * radial) * inverse;
      store_pack<W>(dx + i, gradient);
    });
  });
}

// max(x) and Σ exp(x − max) in one pass: where a thread finds a larger maximum, it scales the sum
// that it has.
template <class T> struct ExpSum {
  // Not −∞: in a thread without elements, exp(−∞ + ∞) would be NaN.
  T largest = std::numeric_limits<T>::lowest();
  T sum = 0;

  template <int W> SIMT_DEVICE void add(const Pack<T, W>& x) {
    T top = largest;
    for (int v = 0; v < W; ++v) top = x.at[v] > top ? x.at[v] : top;
    scale_to(top);
    for (int v = 0; v < W; ++v) sum += std::exp(x.at[v] - top);
  }
  SIMT_DEVICE void scale_to(T top) {
    sum *= std::exp(largest - top);
    largest = top;
  }
};

// −log softmax(x)[label] = log Σ exp(x_c − max) − (x_label − max)
template <bool Wide, int V, class T>
SIMT_KERNEL cross_entropy_kernel(const T* logits, const std::int32_t* labels, T* loss, T* dlogits, std::int64_t rows,
                                 std::int64_t columns) {
  SIMT_SHARED(T, shared, kWarp);
  for_each_row<Wide>(rows, [&](std::int64_t row) {
    const std::int64_t label = labels[row], target = row * columns + label;
    const bool labelled = label >= 0 && label < columns;
    const T outside = label < 0 ? T(0) : std::numeric_limits<T>::quiet_NaN();
    ExpSum<T> total;
    if (labelled) {
      for_row<Wide, V>(logits, row, columns, [&]<int W>(std::int64_t i) { total.add(load_pack<W>(logits + i)); });
      total.scale_to(team_max<Wide>(total.largest, shared));
      total.sum = team_sum<Wide>(total.sum, shared);
    }
    if (team_lane<Wide>() == 0) loss[row] = labelled ? std::log(total.sum) - (logits[target] - total.largest) : outside;
    const T inverse = T(1) / total.sum;
    for_row<Wide, V>(dlogits, row, columns, [&]<int W>(std::int64_t i) {
      Pack<T, W> gradient = load_pack<W>(logits + i);
      for (int v = 0; v < W; ++v) {
        gradient.at[v] =
            labelled ? std::exp(gradient.at[v] - total.largest) * inverse - (i + v == target ? T(1) : T(0)) : outside;
      }
      store_pack<W>(dlogits + i, gradient);
    });
  });
}

template <bool Wide, int V, class T>
SIMT_KERNEL softmax_kernel(const T* x, T* y, std::int64_t rows, std::int64_t columns, bool log) {
  SIMT_SHARED(T, shared, kWarp);
  for_each_row<Wide>(rows, [&](std::int64_t row) {
    ExpSum<T> total;
    for_row<Wide, V>(x, row, columns, [&]<int W>(std::int64_t i) { total.add(load_pack<W>(x + i)); });
    total.scale_to(team_max<Wide>(total.largest, shared));
    total.sum = team_sum<Wide>(total.sum, shared);
    const T inverse = T(1) / total.sum, log_sum = std::log(total.sum);
    for_row<Wide, V>(y, row, columns, [&]<int W>(std::int64_t i) {
      Pack<T, W> out = load_pack<W>(x + i);
      for (int v = 0; v < W; ++v) {
        const T below = out.at[v] - total.largest;
        out.at[v] = log ? below - log_sum : std::exp(below) * inverse;
      }
      store_pack<W>(y + i, out);
    });
  });
}

// dx = y·(dy − Σ y·dy), or dy − exp(y)·Σ dy
template <bool Wide, int V, class T>
SIMT_KERNEL softmax_grad_kernel(const T* y, const T* dy, T* dx, std::int64_t rows, std::int64_t columns, bool log) {
  SIMT_SHARED(T, shared, kWarp);
  for_each_row<Wide>(rows, [&](std::int64_t row) {
    T sum = 0;
    for_row<Wide, V>(y, row, columns, [&]<int W>(std::int64_t i) {
      const Pack<T, W> result = load_pack<W>(y + i), gradient = load_pack<W>(dy + i);
      for (int v = 0; v < W; ++v) sum += log ? gradient.at[v] : result.at[v] * gradient.at[v];
    });
    sum = team_sum<Wide>(sum, shared);
    for_row<Wide, V>(y, row, columns, [&]<int W>(std::int64_t i) {
      const Pack<T, W> result = load_pack<W>(y + i);
      Pack<T, W> out = load_pack<W>(dy + i);
      for (int v = 0; v < W; ++v) {
        out.at[v] = log ? out.at[v] - std::exp(result.at[v]) * sum : result.at[v] * (out.at[v] - sum);
      }
      store_pack<W>(dx + i, out);
    });
  });
}

// An element's place in the order of top_k: `key` falls, then `index` rises. Keys of floating-point
// numbers are in their order, with NaN above all, so that it cannot hide; of no element, 0.
template <class T> struct Candidate {
  using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  Key key;
  std::int32_t index;

  static SIMT_DEVICE Candidate none() { return {0, std::numeric_limits<std::int32_t>::max()}; }
  static SIMT_DEVICE Candidate before_all() { return {~Key(0), -1}; }
  static SIMT_DEVICE Candidate of(T value, std::int64_t index) {
    constexpr Key kSign = ~(~Key(0) >> 1);
    const Key bits = std::bit_cast<Key>(value + T(0));  // −0 + 0 is 0
    const Key ordered = bits & kSign ? ~bits : bits | kSign;
    return {value == value ? ordered : ~Key(0), static_cast<std::int32_t>(index)};
  }
  SIMT_DEVICE bool before(const Candidate& other) const { return key > other.key || (key == other.key && index < other.index); }
};

template <class T> SIMT_DEVICE Candidate<T> warp_first(Candidate<T> best) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const Candidate<T> other{simt::shuffle_xor(best.key, mask), simt::shuffle_xor(best.index, mask)};
    best = other.before(best) ? other : best;
  }
  return best;
}
// The same over a block; `shared` as for block_sum.
template <class T> SIMT_DEVICE Candidate<T> block_first(Candidate<T> best, Candidate<T>* shared) {
  const int lane = simt::thread() % kWarp;
  best = warp_first(best);
  if (simt::threads() == kWarp) return best;
  simt::sync();
  if (lane == 0) shared[simt::thread() / kWarp] = best;
  simt::sync();
  return warp_first(lane < simt::threads() / kWarp ? shared[lane] : Candidate<T>::none());
}

// The first of a chunk of a row, among those after `last`, found by a warp.
template <class T>
SIMT_DEVICE Candidate<T> first_of_chunk(const T* in, std::int64_t begin, std::int64_t end, const Candidate<T>& last) {
  Candidate<T> best = Candidate<T>::none();
  for (std::int64_t c = begin + simt::thread() % kWarp; c < end; c += kWarp) {
    const Candidate<T> next = Candidate<T>::of(in[c], c);
    if (last.before(next) && next.before(best)) best = next;
  }
  return warp_first(best);
}

// A tournament: a row is cut into chunks, and the first candidate of each is kept. k times, the
// first of these is taken, and one warp searches its chunk alone for the next. The row is read
// little more than once, whatever k.
constexpr int kMostChunks = 1024;
constexpr std::int64_t kShortestChunk = 8 * kWarp;

template <class T>
SIMT_KERNEL top_k_kernel(const T* x, T* values, std::int32_t* indices, std::int64_t rows, std::int64_t columns, std::int64_t k,
                         std::int64_t chunk) {
  SIMT_SHARED(Candidate<T>, firsts, kMostChunks);
  SIMT_SHARED(Candidate<T>, shared, kWarp);
  const int warp = simt::thread() / kWarp, lane = simt::thread() % kWarp, warps = simt::threads() / kWarp;
  const std::int64_t chunks = ceil_div(columns, chunk);
  for_each_piece(rows, [&](std::int64_t row) {
    const T* in = x + row * columns;
    const auto search = [&](std::int64_t c, const Candidate<T>& last) {
      const Candidate<T> first = first_of_chunk(in, c * chunk, std::min((c + 1) * chunk, columns), last);
      if (lane == 0) firsts[c] = first;
    };
    for (std::int64_t c = warp; c < chunks; c += warps) search(c, Candidate<T>::before_all());
    for (std::int64_t rank = 0; rank < k; ++rank) {
      simt::sync();
      Candidate<T> winner = Candidate<T>::none();
      for (std::int64_t c = simt::thread(); c < chunks; c += simt::threads()) {
        if (firsts[c].before(winner)) winner = firsts[c];
      }
      winner = block_first(winner, shared);  // after its barriers, all threads have read `firsts`
      if (simt::thread() == 0) {
        values[row * k + rank] = in[winner.index];
        indices[row * k + rank] = winner.index;
      }
      if (warp == 0 && rank + 1 < k) search(winner.index / chunk, winner);
    }
  });
}

// A warp takes a row.
template <class T>
SIMT_KERNEL top_k_grad_kernel(const std::int32_t* indices, const T* dy, T* dx, std::int64_t rows, std::int64_t columns,
                              std::int64_t k) {
  for_each_row<false>(rows, [&](std::int64_t row) {
    for (std::int64_t c = team_lane<false>(); c < columns; c += kWarp) {
      T value = 0;
      for (std::int64_t i = row * k; i < (row + 1) * k; ++i) value = indices[i] == c ? dy[i] : value;
      dx[row * columns + c] = value;
    }
  });
}

// Calls f.template operator()<Wide, V>(threads) for rows of T, V > 1 where packs of all arrays
// begin at the same elements.
template <class T, class F> void with_teams(std::int64_t columns, bool packs, F&& f) {
  const bool wide = columns > kWideRow;
  const int threads = columns > kVeryWideRow ? 2 * kBlock : kBlock;
  if (wide && packs) f.template operator()<true, kPack<T>>(threads);
  else if (wide) f.template operator()<true, 1>(threads);
  else if (packs) f.template operator()<false, kPack<T>>(threads);
  else f.template operator()<false, 1>(threads);
}

std::int64_t blocks_for_rows(std::int64_t rows, bool wide) { return wide ? rows : ceil_div(rows, kBlock / kWarp); }

}  // namespace

void run(KernelBackend& device, const kernel::NormalizeRows& call) {
  const std::int64_t rows = call.x.shape[0], columns = call.x.shape[1];
  dispatch_real(call.name, call.x.dtype, [&]<class T>() {
    with_teams<T>(columns, equally_aligned(call.x.as<T>(), call.y.as<T>()), [&]<bool Wide, int V>(int threads) {
      simt::launch(call.name, normalize_rows_kernel<Wide, V, T>, device.grid_of_pieces(blocks_for_rows(rows, Wide), threads),
                   device.stream(), call.x.as<T>(), call.y.as<T>(), call.inv_norm.as<T>(), rows, columns, T(call.eps));
    });
  });
}

void run(KernelBackend& device, const kernel::NormalizeRowsGrad& call) {
  const std::int64_t rows = call.y.shape[0], columns = call.y.shape[1];
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    with_teams<T>(columns, equally_aligned(call.y.as<T>(), call.dy.as<T>(), call.dx.as<T>()),
                  [&]<bool Wide, int V>(int threads) {
                    simt::launch(call.name, normalize_rows_grad_kernel<Wide, V, T>,
                                 device.grid_of_pieces(blocks_for_rows(rows, Wide), threads), device.stream(), call.y.as<T>(),
                                 call.inv_norm.as<T>(), call.dy.as<T>(), call.dx.as<T>(), rows, columns);
                  });
  });
}

void run(KernelBackend& device, const kernel::CrossEntropy& call) {
  const std::int64_t rows = call.logits.shape[0], columns = call.logits.shape[1];
  dispatch_real(call.name, call.logits.dtype, [&]<class T>() {
    with_teams<T>(columns, equally_aligned(call.logits.as<T>(), call.dlogits.as<T>()), [&]<bool Wide, int V>(int threads) {
      simt::launch(call.name, cross_entropy_kernel<Wide, V, T>, device.grid_of_pieces(blocks_for_rows(rows, Wide), threads),
                   device.stream(), call.logits.as<T>(), call.labels.as<std::int32_t>(), call.loss.as<T>(),
                   call.dlogits.as<T>(), rows, columns);
    });
  });
}

void run(KernelBackend& device, const kernel::Softmax& call) {
  const std::int64_t rows = call.x.shape[0], columns = call.x.shape[1];
  dispatch_real(call.name, call.x.dtype, [&]<class T>() {
    with_teams<T>(columns, equally_aligned(call.x.as<T>(), call.y.as<T>()), [&]<bool Wide, int V>(int threads) {
      simt::launch(call.name, softmax_kernel<Wide, V, T>, device.grid_of_pieces(blocks_for_rows(rows, Wide), threads),
                   device.stream(), call.x.as<T>(), call.y.as<T>(), rows, columns, call.log);
    });
  });
}

void run(KernelBackend& device, const kernel::SoftmaxGrad& call) {
  const std::int64_t rows = call.y.shape[0], columns = call.y.shape[1];
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    with_teams<T>(
        columns, equally_aligned(call.y.as<T>(), call.dy.as<T>(), call.dx.as<T>()), [&]<bool Wide, int V>(int threads) {
          simt::launch(call.name, softmax_grad_kernel<Wide, V, T>, device.grid_of_pieces(blocks_for_rows(rows, Wide), threads),
                       device.stream(), call.y.as<T>(), call.dy.as<T>(), call.dx.as<T>(), rows, columns, call.log);
        });
  });
}

void run(KernelBackend& device, const kernel::TopK& call) {
  const std::int64_t rows = call.x.shape[0], columns = call.x.shape[1], k = call.values.shape[1];
  const std::int64_t chunk = std::max(kShortestChunk, kWarp * ceil_div(columns, std::int64_t{kWarp} * kMostChunks));
  const auto warps = std::min<std::int64_t>(kBlock / kWarp, ceil_div(columns, chunk));
  dispatch_real(call.name, call.x.dtype, [&]<class T>() {
    simt::launch(call.name, top_k_kernel<T>, device.grid_of_pieces(rows, static_cast<int>(warps) * kWarp), device.stream(),
                 call.x.as<T>(), call.values.as<T>(), call.indices.as<std::int32_t>(), rows, columns, k, chunk);
  });
}

void run(KernelBackend& device, const kernel::TopKGrad& call) {
  const std::int64_t rows = call.dx.shape[0], columns = call.dx.shape[1], k = call.dy.shape[1];
  dispatch_real(call.name, call.dx.dtype, [&]<class T>() {
    simt::launch(call.name, top_k_grad_kernel<T>, device.grid_of_pieces(blocks_for_rows(rows, false), kBlock), device.stream(),
                 call.indices.as<std::int32_t>(), call.dy.as<T>(), call.dx.as<T>(), rows, columns, k);
  });
}

constinit const RowKernels row_kernels = KernelsOf<KernelBackend, RowKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
