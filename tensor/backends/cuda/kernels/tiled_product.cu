// A product of any two matrices: for the few that cuBLASLt has no algorithm for, such as bf16 with
// rows of an odd number of elements, which its tensor-core kernels cannot load. No tensor cores, a
// tenth of a library's speed at best.
#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"
#include "mec/tensor/backends/cuda/kernels/tiles.h"

namespace mec::cuda::MEC_SIMT {

namespace {

// op(A) (m,k) · op(B) (k,n)
struct ProductSizes {
  std::int64_t m, k, n;
};

// cells(i,j) = op(x)(row + i, column + j) of the `rows` × `columns` that op(x) has, and 0 beyond.
// Neighbouring threads read neighbours in memory, transposed or not.
template <class T, class A>
SIMT_DEVICE void load_tile(A* cells, const T* x, const Tile& tile, std::int64_t rows, std::int64_t columns, bool transposed) {
  const int fast = simt::thread() % kWarp;
  for (int slow = simt::thread() / kWarp; slow < kTile; slow += simt::threads() / kWarp) {
    const int i = transposed ? fast : slow, j = transposed ? slow : fast;
    const std::int64_t row = tile.row + i, column = tile.column + j;
    const std::int64_t at = transposed ? column * rows + row : row * columns + column;
    cells[i * kTilePitch + j] = row < rows && column < columns ? A(x[at]) : A(0);
  }
}

// A block for each tile of the result, in turn; a thread has every eighth element of one of its
// columns. Each sum runs over k in order.
template <class T, class R> SIMT_KERNEL product_kernel(ProductSizes sizes, MatmulArgs args, const T* a, const T* b, R* c) {
  using A = Accumulator<T>;
  constexpr int kRows = kTile * kWarp / kBlock;
  SIMT_SHARED(A, left, kTileCells);
  SIMT_SHARED(A, right, kTileCells);
  const int column = simt::thread() % kWarp, line = simt::thread() / kWarp, lines = simt::threads() / kWarp;
  for_each_piece(Tile::count(sizes.m, sizes.n), [&](std::int64_t t) {
    const Tile tile = Tile::of(t, sizes.n);
    A sums[kRows] = {};
    for (std::int64_t k = 0; k < sizes.k; k += kTile) {
      load_tile(left, a, {tile.row, k}, sizes.m, sizes.k, args.trans_a);
      load_tile(right, b, {k, tile.column}, sizes.k, sizes.n, args.trans_b);
      simt::sync();
      for (int j = 0; j < kTile; ++j) {
        const A factor = right[j * kTilePitch + column];
        SIMT_UNROLL for (int r = 0; r < kRows; ++r) sums[r] += left[(line + r * lines) * kTilePitch + j] * factor;
      }
      simt::sync();
    }
    if (tile.column + column >= sizes.n) return;
    SIMT_UNROLL for (int r = 0; r < kRows; ++r) {
      const std::int64_t row = tile.row + line + r * lines;
      if (row >= sizes.m) return;
      R& to = c[row * sizes.n + tile.column + column];
      to = R(args.accumulate ? A(to) + sums[r] : sums[r]);
    }
  });
}

}  // namespace

void KernelBackend::tiled_product(In a, In b, Out c, const MatmulArgs& args) {
  const ProductSizes sizes{.m = c.shape[0], .k = a.shape[args.trans_a ? 0 : 1], .n = c.shape[1]};
  const simt::Grid grid = grid_of_pieces(Tile::count(sizes.m, sizes.n));
  dispatch_floating("matmul", a.dtype, [&]<class T>() {
    const auto run = [&]<class R>() {
      simt::launch("tiled_product", product_kernel<T, R>, grid, stream(), sizes, args, a.as<T>(), b.as<T>(), c.as<R>());
    };
    if (c.dtype == a.dtype) run.template operator()<T>();
    else run.template operator()<Accumulator<T>>();
  });
}

}  // namespace mec::cuda::MEC_SIMT
