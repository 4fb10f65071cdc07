#include <bit>

#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"
#include "mec/tensor/backends/cuda/kernels/tiles.h"

namespace mec::cuda::MEC_SIMT {
namespace {

// Where elements only move, their size is all that matters: four kernels instead of six.
template <class F> void dispatch_size(std::int64_t size, F&& f) {
  switch (size) {
    case 8: return f.template operator()<std::uint64_t>();
    case 4: return f.template operator()<std::uint32_t>();
    case 2: return f.template operator()<std::uint16_t>();
    default: return f.template operator()<std::uint8_t>();
  }
}

template <int V, class T> SIMT_KERNEL move_kernel(const T* x, T* y, std::int64_t n) {
  for_span<V>(y, 0, n, simt::block() * simt::threads() + simt::thread(), simt::blocks() * simt::threads(),
              [&]<int W>(std::int64_t i) { store_pack<W>(y + i, load_pack<W>(x + i)); });
}

template <int V, class From, class To> SIMT_KERNEL convert_kernel(const From* x, To* y, std::int64_t n) {
  map_elements<V>(
      n, y, [](From value) { return converted<To>(value); }, x);
}

template <int V, class T> SIMT_KERNEL fill_kernel(T* y, std::int64_t n, T value) {
  map_elements<V>(n, y, [=] { return value; });
}

// Packs serve the stores: each element is a function of its own number.
template <int V, class T> SIMT_KERNEL random_kernel(T* y, std::int64_t n, RandomArgs args) {
  for_each_index(ceil_div(n, V), [&](std::int64_t pack) {
    Pack<T, V> draws;
    for (int v = 0; v < V; ++v) draws.at[v] = random_element<T>(args, static_cast<std::uint32_t>(pack * V + v));
    if ((pack + 1) * V <= n) return store_pack<V>(y + pack * V, draws);
    for (std::int64_t i = pack * V; i < n; ++i) y[i] = draws.at[i % V];
  });
}

template <class T> SIMT_KERNEL transpose_kernel(const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  SIMT_SHARED(T, cells, kTileCells);
  for_each_piece(Tile::count(rows, columns), [&](std::int64_t t) {
    const Tile tile = Tile::of(t, columns);
    simt::sync();  // the tile before this one has been read
    tile.for_each(rows, columns, [&](int i, int j, std::int64_t at) { cells[i * kTilePitch + j] = x[at]; });
    simt::sync();
    tile.transposed().for_each(columns, rows, [&](int i, int j, std::int64_t at) { y[at] = cells[j * kTilePitch + i]; });
  });
}

// Moved in units of 16 bytes where rows are made of them.
using Unit = Pack<std::uint32_t, 4>;

template <class U> SIMT_DEVICE U all_bits_set() {
  if constexpr (std::is_same_v<U, Unit>) return {{~0U, ~0U, ~0U, ~0U}};
  else return static_cast<U>(~U{0});
}

// Rows of `width` units U: of `rows`, the `count` that are named.
template <class U>
SIMT_KERNEL gather_kernel(const U* x, std::int64_t rows, const std::int64_t* index, U* y, std::int64_t count,
                          std::int64_t width) {
  for_each_index(count * width, [&](std::int64_t i) {
    const std::int64_t place = i / width, row = index[place];
    y[i] = row >= 0 && row < rows ? x[row * width + (i - place * width)] : all_bits_set<U>();
  });
}

}  // namespace

void KernelBackend::copy(In x, Out y) {
  const std::int64_t n = x.numel();
  if (x.dtype == y.dtype) {
    return dispatch_size(size_of(x.dtype), [&]<class T>() {
      with_packs<T>(n, equally_aligned(x.as<T>(), y.as<T>()), [&]<int V>(const simt::Grid& grid) {
        simt::launch("copy", move_kernel<V, T>, grid, stream(), x.as<T>(), y.as<T>(), n);
      });
    });
  }
  dispatch_any(x.dtype, [&]<class From>() {
    dispatch_any(y.dtype, [&]<class To>() {
      if constexpr (!std::is_same_v<From, To>) {
        const auto convert = [&]<int V>(const simt::Grid& grid) {
          simt::launch("copy", convert_kernel<V, From, To>, grid, stream(), x.as<From>(), y.as<To>(), n);
        };
        // Packs of the narrower type; eight at a time, as of a type of two bytes, do better for
        // single bytes. Only what training does with much memory has them: there are thirty pairs.
        if constexpr (is_floating(dtype_of<To>()) && (is_floating(dtype_of<From>()) || sizeof(From) == 1)) {
          using Narrow = std::conditional_t<sizeof(From) < sizeof(To), From, To>;
          with_packs<std::conditional_t<sizeof(Narrow) == 1, bf16, Narrow>>(n, aligned_for_packs(x.data, y.data), convert);
        } else {
          convert.template operator()<1>(grid_for(n));
        }
      }
    });
  });
}

void KernelBackend::fill(Out y, double value) {
  const std::int64_t n = y.numel();
  dispatch_any(y.dtype, [&]<class T>() {
    const T element = converted<T>(value);
    dispatch_size(size_of(y.dtype), [&]<class Bits>() {
      if constexpr (sizeof(Bits) == sizeof(T)) {
        with_packs<Bits>(n, aligned_for_packs(y.data), [&]<int V>(const simt::Grid& grid) {
          simt::launch("fill", fill_kernel<V, Bits>, grid, stream(), y.as<Bits>(), n, std::bit_cast<Bits>(element));
        });
      }
    });
  });
}

void KernelBackend::fill_random(Out y, const RandomArgs& args) {
  const std::int64_t n = y.numel();
  dispatch_real("fill_random", y.dtype, [&]<class T>() {
    with_packs<T>(n, aligned_for_packs(y.data), [&]<int V>(const simt::Grid& grid) {
      simt::launch("fill_random", random_kernel<V, T>, grid, stream(), y.as<T>(), n, args);
    });
  });
}

void KernelBackend::transpose(In x, Out y) {
  const std::int64_t rows = x.shape[0], columns = x.shape[1];
  dispatch_size(size_of(x.dtype), [&]<class T>() {
    simt::launch("transpose", transpose_kernel<T>, grid_of_pieces(Tile::count(rows, columns)), stream(), x.as<T>(), y.as<T>(),
                 rows, columns);
  });
}

void KernelBackend::gather_rows(In x, In index, Out y) {
  const std::int64_t count = index.numel();
  if (y.numel() == 0) return;
  const std::int64_t bytes = y.numel() / count * size_of(y.dtype);
  const auto gather = [&]<class U>() {
    const std::int64_t width = bytes / static_cast<std::int64_t>(sizeof(U));
    simt::launch("gather_rows", gather_kernel<U>, grid_for(count * width), stream(), x.as<U>(), x.shape[0],
                 index.as<std::int64_t>(), y.as<U>(), count, width);
  };
  if (bytes % 16 == 0 && aligned_for_packs(x.data, y.data)) gather.template operator()<Unit>();
  else dispatch_size(size_of(y.dtype), gather);
}

}  // namespace mec::cuda::MEC_SIMT
