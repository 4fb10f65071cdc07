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

template <int V, class T> SIMT_KERNEL move_when_kernel(const T* x, const float* when, T* y, std::int64_t n) {
  if (functor::is_off(when)) return;
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

// Rows whose size is a multiple of 16 bytes are moved in these units.
using Unit = Pack<std::uint32_t, 4>;

template <class U> SIMT_DEVICE U all_bits_set() {
  if constexpr (std::is_same_v<U, Unit>) return {{~0U, ~0U, ~0U, ~0U}};
  else return static_cast<U>(~U{0});
}

// Gathers `count` of the `rows` rows, each of `width` units U.
template <class U>
SIMT_KERNEL gather_kernel(const U* x, std::int64_t rows, const std::int64_t* index, U* y, std::int64_t count,
                          std::int64_t width) {
  for_each_index(count * width, [&](std::int64_t i) {
    const std::int64_t place = i / width, row = index[place];
    y[i] = row >= 0 && row < rows ? x[row * width + (i - place * width)] : all_bits_set<U>();
  });
}

}  // namespace

void run(KernelBackend& device, const kernel::Copy& call) {
  const std::int64_t n = call.x.numel();
  if (call.x.dtype == call.y.dtype) {
    return dispatch_size(size_of(call.x.dtype), [&]<class T>() {
      device.with_packs<T>(n, equally_aligned(call.x.as<T>(), call.y.as<T>()), [&]<int V>(const simt::Grid& grid) {
        simt::launch(call.name, move_kernel<V, T>, grid, device.stream(), call.x.as<T>(), call.y.as<T>(), n);
      });
    });
  }
  dispatch_any(call.x.dtype, [&]<class From>() {
    dispatch_any(call.y.dtype, [&]<class To>() {
      if constexpr (!std::is_same_v<From, To>) {
        const auto convert = [&]<int V>(const simt::Grid& grid) {
          simt::launch(call.name, convert_kernel<V, From, To>, grid, device.stream(), call.x.as<From>(), call.y.as<To>(), n);
        };
        // Packs of the narrower type. For single bytes, packs of eight (as for a type of two bytes)
        // are faster. Only conversions that training does on much memory have packs: there are
        // thirty pairs of types.
        if constexpr (is_floating(dtype_of<To>()) && (is_floating(dtype_of<From>()) || sizeof(From) == 1)) {
          using Narrow = std::conditional_t<sizeof(From) < sizeof(To), From, To>;
          device.with_packs<std::conditional_t<sizeof(Narrow) == 1, bf16, Narrow>>(
              n, aligned_for_packs(call.x.data, call.y.data), convert);
        } else {
          convert.template operator()<1>(device.grid_for(n));
        }
      }
    });
  });
}

void run(KernelBackend& device, const kernel::CopyWhen& call) {
  const std::int64_t n = call.x.numel();
  dispatch_size(size_of(call.x.dtype), [&]<class T>() {
    device.with_packs<T>(n, equally_aligned(call.x.as<T>(), call.y.as<T>()), [&]<int V>(const simt::Grid& grid) {
      simt::launch(call.name, move_when_kernel<V, T>, grid, device.stream(), call.x.as<T>(), call.when.as<float>(),
                   call.y.as<T>(), n);
    });
  });
}

void run(KernelBackend& device, const kernel::Fill& call) {
  const std::int64_t n = call.y.numel();
  dispatch_any(call.y.dtype, [&]<class T>() {
    const T element = converted<T>(call.value);
    dispatch_size(size_of(call.y.dtype), [&]<class Bits>() {
      if constexpr (sizeof(Bits) == sizeof(T)) {
        device.with_packs<Bits>(n, aligned_for_packs(call.y.data), [&]<int V>(const simt::Grid& grid) {
          simt::launch(call.name, fill_kernel<V, Bits>, grid, device.stream(), call.y.as<Bits>(), n,
                       std::bit_cast<Bits>(element));
        });
      }
    });
  });
}

void run(KernelBackend& device, const kernel::FillRandom& call) {
  const std::int64_t n = call.y.numel();
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    device.with_packs<T>(n, aligned_for_packs(call.y.data), [&]<int V>(const simt::Grid& grid) {
      simt::launch(call.name, random_kernel<V, T>, grid, device.stream(), call.y.as<T>(), n, call.args);
    });
  });
}

void run(KernelBackend& device, const kernel::Transpose& call) {
  const std::int64_t rows = call.x.shape[0], columns = call.x.shape[1];
  dispatch_size(size_of(call.x.dtype), [&]<class T>() {
    simt::launch(call.name, transpose_kernel<T>, device.grid_of_pieces(Tile::count(rows, columns)), device.stream(),
                 call.x.as<T>(), call.y.as<T>(), rows, columns);
  });
}

void run(KernelBackend& device, const kernel::GatherRows& call) {
  const std::int64_t count = call.index.numel();
  if (call.y.numel() == 0) return;
  const std::int64_t bytes = call.y.numel() / count * size_of(call.y.dtype);
  const auto gather = [&]<class U>() {
    const std::int64_t width = bytes / static_cast<std::int64_t>(sizeof(U));
    simt::launch(call.name, gather_kernel<U>, device.grid_for(count * width), device.stream(), call.x.as<U>(), call.x.shape[0],
                 call.index.as<std::int64_t>(), call.y.as<U>(), count, width);
  };
  if (bytes % 16 == 0 && aligned_for_packs(call.x.data, call.y.data)) gather.template operator()<Unit>();
  else dispatch_size(size_of(call.y.dtype), gather);
}

constinit const MemoryKernels memory_kernels = KernelsOf<KernelBackend, MemoryKernels>::table;
constinit const RandomKernels random_kernels = KernelsOf<KernelBackend, RandomKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
