// Matrix product without a library: the left operand is widened where it is bf16 and cannot be read
// in pairs, the right one is packed into panels as wide as a tile, and tiles are summed in
// registers.
#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/tile_product.h"

namespace mec::cpu::MEC_ISA {
namespace {

// panels[p][k][c] = b(k, p·width + c), zero beyond the last column. Rows of b are stored as T, and
// columns, where it is transposed, as Stored.
template <class T, class Stored, class E>
void pack_panels(Team team, const void* b, std::int64_t depth, std::int64_t columns, bool transposed, E* panels) {
  constexpr std::int64_t kWidth = kTileColumns<E>;
  parallel_tasks(depth * columns < kGrain ? Team{} : team, ceil_div(columns, kWidth), [=](std::int64_t p) {
    const std::int64_t width = smaller(kWidth, columns - p * kWidth);
    E* const panel = panels + p * depth * kWidth;
    if (transposed) pack_columns(static_cast<const Stored*>(b) + p * kWidth * depth, depth, depth, width, panel);
    else pack_rows(static_cast<const T*>(b) + p * kWidth, columns, depth, width, panel);
  });
}

constexpr std::int64_t kBand = 8 * kTileRows;  // rows of the result that a task sums against one panel

template <class E, class R>
void product(Team team, const E* a, const E* panels, R* c, std::int64_t m, std::int64_t n, std::int64_t depth,
             const MatmulArgs& args) {
  constexpr std::int64_t kWidth = kTileColumns<E>;
  const std::int64_t bands = ceil_div(m, kBand);
  const auto body = [=](std::int64_t index) {
    const std::int64_t panel = index / bands, top = index % bands * kBand, columns = smaller(kWidth, n - panel * kWidth);
    const Stretch whole{0, 0, depth};
    TileTask<E> task{.rows = {},
                     .left_step = args.trans_a ? m : 1,
                     .right = panels + panel * depth * kWidth,
                     .right_step = kWidth,
                     .stretches = &whole,
                     .count = 1};
    Tile2d<Sum<E>> tile;
    for (std::int64_t i = top; i < smaller(top + kBand, m); i += kTileRows) {
      for (std::int64_t r = 0; r < kTileRows; ++r) task.rows[r] = a + smaller(i + r, m - 1) * (args.trans_a ? 1 : depth);
      sum_tile(task, columns, tile);
      for (std::int64_t r = 0; r < smaller(kTileRows, m - i); ++r) {
        store_row(tile.at[r], c + (i + r) * n + panel * kWidth, columns, args.accumulate);
      }
    }
  };
  const std::int64_t tasks = bands * ceil_div(n, kWidth);
  parallel_tasks(m * n * depth < 4 * kGrain ? Team{} : team, tasks, body);
}

}  // namespace

void run(LoopsBackend& device, const kernel::Matmul& call) {
  const std::int64_t m = call.c.shape[0], n = call.c.shape[1], k = call.a.shape[call.args.trans_a ? 0 : 1];
  if (m * n == 0) return;
  const bool pairs = device.pairs_bf16() && !call.args.trans_a && k % 2 == 0;
  with_product_types(call.a.dtype, call.c.dtype, [&]<class T, class R>() {
    with_elements<T>(pairs, [&]<class Stored, class E>() {
      constexpr bool kWiden = !std::is_same_v<Stored, E>;
      const std::int64_t depth = k / static_cast<std::int64_t>(sizeof(Stored) / sizeof(T));
      const std::int64_t panel_values = aligned_count(ceil_div(n, kTileColumns<E>) * kTileColumns<E> * depth);
      const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(panel_values + (kWiden ? m * k : 0)) * sizeof(E));
      E* const panels = scratch.as<E>();
      // A sum over nothing has no panels, nor memory for them.
      if (depth > 0) pack_panels<T, Stored>(device.team(), call.b.data, depth, n, call.args.trans_b, panels);
      const E* left = static_cast<const E*>(call.a.data);
      if constexpr (kWiden) {
        E* const wide = panels + panel_values;
        device.run(kernel::Copy{call.a, {wide, call.a.shape, Dtype::f32}});
        left = wide;
      }
      product(device.team(), left, panels, static_cast<R*>(call.c.data), m, n, depth, call.args);
    });
  });
}

constinit const MatmulKernels portable_matmul_kernels = KernelsOf<LoopsBackend, MatmulKernels>::table;

}  // namespace mec::cpu::MEC_ISA
