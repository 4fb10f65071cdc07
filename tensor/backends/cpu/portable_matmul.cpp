// Matrix product without a library: the left operand is widened where it is bf16, the right one is
// packed into panels as wide as a tile, and tiles are summed in registers.
#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/tile_product.h"

namespace mec::cpu::MEC_ISA {
namespace {

// panels[p][k][c] = b(k, p·width + c), zero beyond the last column.
template <class T, class A>
void pack_panels(Team team, const T* b, std::int64_t depth, std::int64_t columns, bool transposed, A* panels) {
  constexpr std::int64_t kWidth = kTileColumns<A>;
  parallel_tasks(depth * columns < kGrain ? Team{} : team, ceil_div(columns, kWidth), [=](std::int64_t p) {
    const std::int64_t width = smaller(kWidth, columns - p * kWidth);
    A* const panel = panels + p * depth * kWidth;
    if (transposed) pack_columns(b + p * kWidth * depth, depth, depth, width, panel);
    else pack_rows(b + p * kWidth, columns, depth, width, panel);
  });
}

constexpr std::int64_t kBand = 64;  // rows of the result that a task sums against one panel

template <class A, class R>
void product(Team team, const A* a, const A* panels, R* c, std::int64_t m, std::int64_t n, std::int64_t depth,
             const MatmulArgs& args) {
  constexpr std::int64_t kWidth = kTileColumns<A>;
  const std::int64_t bands = ceil_div(m, kBand);
  const auto body = [=](std::int64_t index) {
    const std::int64_t panel = index / bands, top = index % bands * kBand, columns = smaller(kWidth, n - panel * kWidth);
    const Stretch whole{0, 0, depth};
    TileTask<A> task{.rows = {},
                     .left_step = args.trans_a ? m : 1,
                     .right = panels + panel * depth * kWidth,
                     .right_step = kWidth,
                     .stretches = &whole,
                     .count = 1};
    Tile2d<A> tile;
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
  const std::int64_t m = call.c.shape[0], n = call.c.shape[1], depth = call.a.shape[call.args.trans_a ? 0 : 1];
  if (m * n == 0) return;
  with_product_types(call.a.dtype, call.c.dtype, [&]<class T, class R>() {
    using A = Accumulator<T>;
    constexpr bool kWiden = sizeof(T) != sizeof(A);
    const std::int64_t panel_values = aligned_count(ceil_div(n, kTileColumns<A>) * kTileColumns<A> * depth);
    const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(panel_values + (kWiden ? m * depth : 0)) * sizeof(A));
    A* const panels = reinterpret_cast<A*>(scratch.data());
    // A sum over nothing has no panels, nor memory for them.
    if (depth > 0) pack_panels(device.team(), static_cast<const T*>(call.b.data), depth, n, call.args.trans_b, panels);
    const A* left = static_cast<const A*>(call.a.data);
    if constexpr (kWiden) {
      A* const wide = panels + panel_values;
      device.run(kernel::Copy{call.a, {wide, call.a.shape, Dtype::f32}});
      left = wide;
    }
    product(device.team(), left, panels, static_cast<R*>(call.c.data), m, n, depth, call.args);
  });
}

constinit const MatmulKernels portable_matmul_kernels = KernelsOf<LoopsBackend, MatmulKernels>::table;

}  // namespace mec::cpu::MEC_ISA
