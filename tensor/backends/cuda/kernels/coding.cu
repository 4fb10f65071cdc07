#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"
#include "mec/tensor/backends/cuda/kernels/tiles.h"

namespace mec::cuda::MEC_SIMT {
namespace {

constexpr int kMatrices = 8;  // that a launch reads at most; more take further launches

// What one launch of power_traces sums: tr B for the first `plain` matrices, tr AB for the others.
template <class T> struct TraceTerms {
  const T* a;
  const T* b[kMatrices];
  int plain, count;
};

// partial[block·kMatrices + t] = the block's share of term t. Since tr AB = Σ b_ji a_ij, the tile
// of A is transposed, once for all B, and each B is read in the order of its memory.
template <class T> SIMT_KERNEL power_traces_kernel(TraceTerms<T> terms, std::int64_t n, T* partial) {
  SIMT_SHARED(T, cells, kTileCells);
  SIMT_SHARED(T, shared, kWarp);
  T sums[kMatrices] = {};
  for_each_index(n, [&](std::int64_t i) {
    // The loop's end is a constant, so it is unrolled and the sums stay in registers.
    for (int t = 0; t < kMatrices; ++t) {
      if (t < terms.plain) sums[t] += terms.b[t][i * (n + 1)];
    }
  });
  for_each_piece(terms.plain < terms.count ? Tile::count(n, n) : 0, [&](std::int64_t piece) {
    const Tile tile = Tile::of(piece, n);
    simt::sync();  // the tile before this one has been read
    tile.for_each(n, n, [&](int i, int j, std::int64_t at) { cells[i * kTilePitch + j] = terms.a[at]; });
    simt::sync();
    tile.transposed().for_each(n, n, [&](int j, int i, std::int64_t at) {
      const T a = cells[i * kTilePitch + j];
      for (int t = 0; t < kMatrices; ++t) {
        if (terms.plain <= t && t < terms.count) sums[t] += a * terms.b[t][at];
      }
    });
  });
  for (int t = 0; t < kMatrices; ++t) {
    if (t >= terms.count) continue;
    const T sum = block_sum(sums[t], shared);
    if (simt::thread() == 0) partial[simt::block() * kMatrices + t] = sum;
  }
}

// traces[t] = Σ over the blocks; a warp for each term.
template <class T> SIMT_KERNEL power_traces_finish_kernel(const T* partial, std::int64_t blocks, T* traces, int count) {
  const int term = simt::thread() / kWarp, lane = simt::thread() % kWarp;
  T sum = 0;
  for (std::int64_t block = lane; block < blocks; block += kWarp)
    sum += term < count ? partial[block * kMatrices + term] : T(0);
  sum = warp_sum(sum);
  if (lane == 0 && term < count) traces[term] = sum;
}

// constant·I + Σ coefficients[j]·powers[j]
template <class T> struct Polynomial {
  const T* powers[kMatrices];
  T coefficients[kMatrices];
  T constant;
  int count;
};

template <int V, class T> SIMT_KERNEL matrix_polynomial_kernel(Polynomial<T> p, T* y, std::int64_t n) {
  const auto body = [&]<int W>(std::int64_t i) {
    Pack<T, W> sums;
    // Every (n + 1)th element lies on the diagonal; there may be several within a pack, if n is
    // small.
    std::int64_t diagonal = ceil_div(i, n + 1) * (n + 1) - i;
    for (int v = 0; v < W; ++v) {
      sums.at[v] = v == diagonal ? p.constant : T(0);
      if (v == diagonal) diagonal += n + 1;
    }
    for (int j = 0; j < kMatrices; ++j) {
      if (j >= p.count) continue;
      const Pack<T, W> power = load_pack<W>(p.powers[j] + i);
      for (int v = 0; v < W; ++v) sums.at[v] += p.coefficients[j] * power.at[v];
    }
    store_pack<W>(y + i, sums);
  };
  for_span<V>(y, 0, n * n, simt::block() * simt::threads() + simt::thread(), simt::blocks() * simt::threads(), body);
}

// A block takes a tile together with the one across the diagonal: each element is read once.
template <class T> SIMT_KERNEL symmetrize_kernel(const T* x, T* y, std::int64_t n) {
  SIMT_SHARED(T, cells, kTileCells);
  SIMT_SHARED(T, across, kTileCells);
  for_each_piece(Tile::count(n, n), [&](std::int64_t piece) {
    const Tile tile = Tile::of(piece, n), mirror = tile.transposed();
    if (tile.row > tile.column) return;  // done with its mirror; all threads agree
    simt::sync();                        // the tiles before these have been read
    tile.for_each(n, n, [&](int i, int j, std::int64_t at) { cells[i * kTilePitch + j] = x[at]; });
    mirror.for_each(n, n, [&](int i, int j, std::int64_t at) { across[i * kTilePitch + j] = x[at]; });
    simt::sync();
    tile.for_each(
        n, n, [&](int i, int j, std::int64_t at) { y[at] = (cells[i * kTilePitch + j] + across[j * kTilePitch + i]) / T(2); });
    if (tile.row == tile.column) return;
    mirror.for_each(
        n, n, [&](int i, int j, std::int64_t at) { y[at] = (across[i * kTilePitch + j] + cells[j * kTilePitch + i]) / T(2); });
  });
}

// ‖x‖, to every thread of the block
template <class T> SIMT_DEVICE T block_norm(const T* x, std::int64_t n, T* shared) {
  T squares = 0;
  for (std::int64_t i = simt::thread(); i < n; i += simt::threads()) squares += x[i] * x[i];
  return std::sqrt(block_sum(squares, shared));
}

// One block: vectors are as long as an embedding is wide.
template <class T>
SIMT_KERNEL coding_scale_kernel(const T* lambda, const T* u, std::int64_t u_size, const T* v, std::int64_t v_size, T* scale,
                                functor::CodingScale<T> scalars) {
  SIMT_SHARED(T, shared, kWarp);
  const T u_norm = block_norm(u, u_size, shared), v_norm = block_norm(v, v_size, shared);
  const auto result = scalars(lambda[0], u_norm, v_norm);
  if (simt::thread() != 0) return;
  for (std::size_t i = 0; i < result.size(); ++i) scale[i] = result[i];
}

template <class T> SIMT_KERNEL coding_loss_kernel(const T* traces, const T* scale, T* result, functor::CodingLoss<T> loss) {
  if (simt::thread() != 0) return;
  const auto values = loss(traces, scale[0]);
  for (std::size_t i = 0; i < values.size(); ++i) result[i] = values[i];
}

}  // namespace

void run(KernelBackend& device, const kernel::PowerTraces& call) {
  const std::int64_t n = call.powers[0].shape[0], order = call.traces.numel();
  const auto highest = static_cast<std::int64_t>(call.powers.size());
  dispatch_real(call.name, call.traces.dtype, [&]<class T>() {
    for (std::int64_t first = 0; first < order; first += kMatrices) {
      TraceTerms<T> terms{
          call.powers.back().as<T>(), {}, 0, static_cast<int>(std::min<std::int64_t>(kMatrices, order - first))};
      for (int t = 0; t < terms.count; ++t) {
        const std::int64_t k = first + t;  // the trace of power k + 1
        if (k < highest) ++terms.plain;
        terms.b[t] = call.powers[static_cast<std::size_t>(k < highest ? k : k - highest)].as<T>();
      }
      simt::Grid grid = device.grid_of_pieces(Tile::count(n, n));
      grid.loop = simt::LoopAxis::none;  // each block leaves a sum
      T* const partial = device.scratch_array<T>(grid.x * kMatrices);
      simt::launch(call.name, power_traces_kernel<T>, grid, device.stream(), terms, n, partial);
      simt::launch(call.name, power_traces_finish_kernel<T>, {.threads = kMatrices * kWarp}, device.stream(), partial, grid.x,
                   call.traces.as<T>() + first, terms.count);
    }
  });
}

void run(KernelBackend& device, const kernel::MatrixPolynomial& call) {
  const std::int64_t n = call.y.shape[0];
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    Polynomial<T> p{{}, {}, T(call.coefficients[0]), 0};
    bool packs = true;
    const auto launch = [&] {
      device.with_packs<T>(n * n, packs, [&]<int V>(const simt::Grid& grid) {
        simt::launch(call.name, matrix_polynomial_kernel<V, T>, grid, device.stream(), p, call.y.as<T>(), n);
      });
    };
    const auto add = [&](const T* power, T coefficient) {
      packs = packs && equally_aligned(call.y.as<T>(), power);
      p.powers[p.count] = power;
      p.coefficients[p.count++] = coefficient;
    };
    for (std::size_t j = 0; j < call.powers.size(); ++j) {
      if (p.count == kMatrices) {  // goes on from the sum so far
        launch();
        p.constant = T(0);
        p.count = 0;
        add(call.y.as<T>(), T(1));
      }
      add(call.powers[j].as<T>(), T(call.coefficients[j + 1]));
    }
    launch();
  });
}

void run(KernelBackend& device, const kernel::Symmetrize& call) {
  const std::int64_t n = call.x.shape[0];
  dispatch_real(call.name, call.x.dtype, [&]<class T>() {
    simt::launch(call.name, symmetrize_kernel<T>, device.grid_of_pieces(Tile::count(n, n)), device.stream(), call.x.as<T>(),
                 call.y.as<T>(), n);
  });
}

void run(KernelBackend& device, const kernel::CodingScale& call) {
  dispatch_real(call.name, call.u.dtype, [&]<class T>() {
    simt::launch(call.name, coding_scale_kernel<T>, {.threads = 2 * kBlock}, device.stream(), call.lambda.as<T>(),
                 call.u.as<T>(), call.u.numel(), call.v.as<T>(), call.v.numel(), call.scale.as<T>(),
                 functor::CodingScale<T>{call.args.adapt, T(call.args.limit)});
  });
}

void run(KernelBackend& device, const kernel::CodingLoss& call) {
  dispatch_real(call.name, call.traces.dtype, [&]<class T>() {
    const functor::CodingLoss<T> loss{call.args.order, T(call.args.rows), T(call.args.width), T(call.args.weight)};
    simt::launch(call.name, coding_loss_kernel<T>, {.threads = kWarp}, device.stream(), call.traces.as<T>(), call.scale.as<T>(),
                 call.result.as<T>(), loss);
  });
}

constinit const CodingKernels coding_kernels = KernelsOf<KernelBackend, CodingKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
