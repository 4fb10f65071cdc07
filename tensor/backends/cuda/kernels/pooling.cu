// Pooling, a thread for V neighbouring channels of a pixel. Windows overlap, but neighbours run at
// the same time, so that what they share comes from the L1 and L2 caches: each byte is read from
// memory once.
#include <limits>

#include "mec/tensor/backends/cuda/kernels/columns.h"

namespace mec::cuda::MEC_SIMT {
namespace {

struct MaxPool {
  int h, w, out_h, out_w;  // of an image, and of its pooled one
  int kernel, stride, pad;
  std::int64_t channels;
};

MaxPool max_pool_of(const Shape& x, const Shape& y, const Pool2dArgs& args) {
  const auto narrow = [](std::int64_t size) { return static_cast<int>(size); };
  return {narrow(x[1]),        narrow(x[2]),        narrow(y[1]),     narrow(y[2]),
          narrow(args.kernel), narrow(args.stride), narrow(args.pad), x[3]};
}

// Where pack `i` of (N,h,w,C) lies.
struct Pixel {
  std::int64_t image, channel;
  int row, column;
};
template <int V> SIMT_DEVICE Pixel pixel_of(std::int64_t i, int h, int w, std::int64_t channels) {
  const std::int64_t packs = channels / V, pixel = i / packs, row = pixel / w;
  return {row / h, (i - pixel * packs) * V, static_cast<int>(row % h), static_cast<int>(pixel - row * w)};
}

// The largest of a window, the first of equals, NaN before all: index within the window in
// `argmax`. The pixels of one row of the window are loaded before the first is compared.
template <int V, class T>
SIMT_KERNEL max_pool_kernel(MaxPool pool, std::int64_t packs, const T* x, T* y, std::uint8_t* argmax) {
  using A = Accumulator<T>;
  constexpr int kLoads = 3;
  for_each_index(packs, [&](std::int64_t i) {
    const Pixel at = pixel_of<V>(i, pool.out_h, pool.out_w, pool.channels);
    const int top = at.row * pool.stride - pool.pad, left = at.column * pool.stride - pool.pad;
    const int first_h = std::max(0, -top), last_h = std::min(pool.kernel, pool.h - top);
    const int first_w = std::max(0, -left), last_w = std::min(pool.kernel, pool.w - left);
    A best[V];
    int winner[V];
    for (int v = 0; v < V; ++v) {
      best[v] = -std::numeric_limits<A>::infinity();
      winner[v] = first_h * pool.kernel + first_w;
    }
    for (int h = first_h; h < last_h; ++h) {
      const T* const row = x + ((at.image * pool.h + top + h) * pool.w + left + first_w) * pool.channels + at.channel;
      for (int w = first_w; w < last_w; w += kLoads) {
        Pack<T, V> in[kLoads];
        for (int k = 0; k < kLoads; ++k) {
          if (w + k < last_w) in[k] = load_pack<V>(row + (w + k - first_w) * pool.channels);
        }
        for (int k = 0; k < kLoads; ++k) {
          if (w + k >= last_w) continue;
          for (int v = 0; v < V; ++v) {
            const A value = A(in[k].at[v]);
            if (!(value > best[v]) && value == value) continue;
            best[v] = value;
            winner[v] = h * pool.kernel + w + k;
          }
        }
      }
    }
    Pack<T, V> out;
    Pack<std::uint8_t, V> index;
    for (int v = 0; v < V; ++v) {
      out.at[v] = T(best[v]);
      index.at[v] = static_cast<std::uint8_t>(winner[v]);
    }
    store_pack<V>(y + i * V, out);
    store_pack<V>(argmax + i * V, index);
  });
}

// Each pixel gathers the gradients of the windows whose maximum it is: the windows over it are
// outputs first_… to last_… of either axis. The loops go from the last to the first, so that the
// pixel's index within the window rises.
template <int V, class T>
SIMT_KERNEL max_pool_grad_kernel(MaxPool pool, std::int64_t packs, const T* dy, const std::uint8_t* argmax, T* dx) {
  using A = Accumulator<T>;
  for_each_index(packs, [&](std::int64_t i) {
    const Pixel at = pixel_of<V>(i, pool.h, pool.w, pool.channels);
    const int h = at.row + pool.pad, w = at.column + pool.pad;
    const int first_h = h < pool.kernel ? 0 : (h - pool.kernel) / pool.stride + 1,
              last_h = std::min(pool.out_h - 1, h / pool.stride);
    const int first_w = w < pool.kernel ? 0 : (w - pool.kernel) / pool.stride + 1,
              last_w = std::min(pool.out_w - 1, w / pool.stride);
    A sum[V] = {};
    for (int out_h = last_h; out_h >= first_h; --out_h) {
      for (int out_w = last_w; out_w >= first_w; --out_w) {
        const std::int64_t from = ((at.image * pool.out_h + out_h) * pool.out_w + out_w) * pool.channels + at.channel;
        const int tap = (h - out_h * pool.stride) * pool.kernel + w - out_w * pool.stride;
        const auto winner = load_pack<V>(argmax + from);
        const auto gradient = load_pack<V>(dy + from);
        for (int v = 0; v < V; ++v) sum[v] += winner.at[v] == tap ? A(gradient.at[v]) : A(0);
      }
    }
    Pack<T, V> out;
    for (int v = 0; v < V; ++v) out.at[v] = T(sum[v]);
    store_pack<V>(dx + i * V, out);
  });
}

// The pixels of an image are the rows of a matrix; a block takes all of them for its channels,
// image after image.
template <int V, class T> SIMT_KERNEL global_avg_pool_kernel(Columns pixels, std::int64_t images, const T* x, T* y) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, shared, kBlock / 2 * V);
  const ColumnPlace place = column_place(pixels, 0, 1);
  for (std::int64_t image = simt::block_y(); image < images; image += simt::blocks_y()) {
    const T* const from = x + image * place.end;
    A sum[V] = {};
    if (place.inside) {
      for_each_loaded<4>(
          place.first, place.step, place.end, [&](std::int64_t i) { return load_pack<V>(from + i); },
          [&](std::int64_t, const Pack<T, V>& in) {
            for (int v = 0; v < V; ++v) sum[v] += A(in.at[v]);
          });
    }
    fold_lines(pixels, sum, shared, [](A& a, const A& b) { a += b; });
    if (simt::thread() >= pixels.lanes || !place.inside) continue;
    Pack<T, V> out;
    for (int v = 0; v < V; ++v) out.at[v] = T(sum[v] / A(pixels.rows));
    store_pack<V>(y + image * pixels.channels + place.channel, out);
  }
}

template <int V, class T> SIMT_KERNEL global_avg_pool_grad_kernel(Columns pixels, std::int64_t images, const T* dy, T* dx) {
  using A = Accumulator<T>;
  const ColumnPlace place = column_place(pixels, 0, 1);
  if (!place.inside) return;
  for (std::int64_t image = simt::block_y(); image < images; image += simt::blocks_y()) {
    Pack<T, V> gradient = load_pack<V>(dy + image * pixels.channels + place.channel);
    for (int v = 0; v < V; ++v) gradient.at[v] = T(A(gradient.at[v]) / A(pixels.rows));
    for (std::int64_t i = place.first; i < place.end; i += place.step) store_pack<V>(dx + image * place.end + i, gradient);
  }
}

}  // namespace

void run(KernelBackend& device, const kernel::MaxPool2d& call) {
  const MaxPool pool = max_pool_of(call.x.shape, call.y.shape, call.args);
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    device.with_pack_size<T>(rows_of_packs<T>(pool.channels, call.x.data, call.y.data, call.argmax.data), [&]<int V>() {
      const std::int64_t packs = call.y.numel() / V;
      simt::launch(call.name, max_pool_kernel<V, T>, device.grid_for(packs), device.stream(), pool, packs, call.x.as<T>(),
                   call.y.as<T>(), call.argmax.as<std::uint8_t>());
    });
  });
}

void run(KernelBackend& device, const kernel::MaxPool2dGrad& call) {
  const MaxPool pool = max_pool_of(call.dx.shape, call.dy.shape, call.args);
  dispatch_floating(call.name, call.dy.dtype, [&]<class T>() {
    device.with_pack_size<T>(rows_of_packs<T>(pool.channels, call.dy.data, call.argmax.data, call.dx.data), [&]<int V>() {
      const std::int64_t packs = call.dx.numel() / V;
      simt::launch(call.name, max_pool_grad_kernel<V, T>, device.grid_for(packs), device.stream(), pool, packs, call.dy.as<T>(),
                   call.argmax.as<std::uint8_t>(), call.dx.as<T>());
    });
  });
}

void run(KernelBackend& device, const kernel::GlobalAvgPool& call) {
  const std::int64_t images = call.x.shape[0], rows = call.x.shape[1] * call.x.shape[2], channels = call.x.shape[3];
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    device.with_pack_size<T>(rows_of_packs<T>(channels, call.x.data, call.y.data), [&]<int V>() {
      const Columns pixels = columns_of(rows, channels, V);
      simt::launch(call.name, global_avg_pool_kernel<V, T>, device.grid_for_rows(pixels, images), device.stream(), pixels,
                   images, call.x.as<T>(), call.y.as<T>());
    });
  });
}

void run(KernelBackend& device, const kernel::GlobalAvgPoolGrad& call) {
  const std::int64_t images = call.dx.shape[0], rows = call.dx.shape[1] * call.dx.shape[2], channels = call.dx.shape[3];
  dispatch_floating(call.name, call.dy.dtype, [&]<class T>() {
    device.with_pack_size<T>(rows_of_packs<T>(channels, call.dy.data, call.dx.data), [&]<int V>() {
      const Columns pixels = columns_of(rows, channels, V);
      simt::launch(call.name, global_avg_pool_grad_kernel<V, T>, device.grid_for_rows(pixels, images), device.stream(), pixels,
                   images, call.dy.as<T>(), call.dx.as<T>());
    });
  });
}

constinit const PoolingKernels pooling_kernels = KernelsOf<KernelBackend, PoolingKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
