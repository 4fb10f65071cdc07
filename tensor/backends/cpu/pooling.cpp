#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

constexpr std::int64_t kPanel = 256;  // channels that a task holds on its stack

// Sizes of a pooling and where its windows lie.
struct Pooling {
  std::int64_t h, w, c, out_h, out_w, kernel, stride, pad;

  Pooling(const Shape& x, const Shape& y, const Pool2dArgs& args)
      : h(x[1]), w(x[2]), c(x[3]), out_h(y[1]), out_w(y[2]), kernel(args.kernel), stride(args.stride), pad(args.pad) {}
};

template <class T>
void pool_pixel(const Pooling& p, const T* image, std::int64_t i, std::int64_t j, std::int64_t c0, std::int64_t channels, T* y,
                std::uint8_t* argmax) {
  using A = Accumulator<T>;
  A best[kPanel];
  std::int32_t winner[kPanel];
  bool first = true;
  for (std::int64_t tap = 0; tap < p.kernel * p.kernel; ++tap) {
    const std::int64_t row = i * p.stride + tap / p.kernel - p.pad, column = j * p.stride + tap % p.kernel - p.pad;
    if (row < 0 || row >= p.h || column < 0 || column >= p.w) continue;
    const T* const x = image + (row * p.w + column) * p.c + c0;
    const auto index = static_cast<std::int32_t>(tap);
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const A value = A(x[c]);
      // The first of equals; NaN always wins.
      const bool wins = first || value > best[c] || value != value;
      best[c] = wins ? value : best[c];
      winner[c] = wins ? index : winner[c];
    }
    first = false;
  }
#pragma omp simd
  for (std::int64_t c = 0; c < channels; ++c) {
    put(y[c], best[c]);
    argmax[c] = static_cast<std::uint8_t>(winner[c]);
  }
}

// Each pixel gathers the gradients of the windows whose maximum it is. Only windows that cover it
// are visited.
template <class T>
void gather_pixel(const Pooling& p, const T* dy, const std::uint8_t* argmax, std::int64_t row, std::int64_t column,
                  std::int64_t c0, std::int64_t channels, T* dx) {
  using A = Accumulator<T>;
  A sum[kPanel] = {};
  const std::int64_t bottom = row + p.pad, right = column + p.pad;
  const std::int64_t top_window = ceil_div(larger(0, bottom - p.kernel + 1), p.stride);
  const std::int64_t left_window = ceil_div(larger(0, right - p.kernel + 1), p.stride);
  for (std::int64_t i = top_window; i <= smaller(bottom / p.stride, p.out_h - 1); ++i) {
    for (std::int64_t j = left_window; j <= smaller(right / p.stride, p.out_w - 1); ++j) {
      const auto tap = static_cast<std::uint8_t>((bottom - i * p.stride) * p.kernel + right - j * p.stride);
      const std::int64_t at = (i * p.out_w + j) * p.c + c0;
#pragma omp simd
      for (std::int64_t c = 0; c < channels; ++c) sum[c] += argmax[at + c] == tap ? A(dy[at + c]) : A(0);
    }
  }
#pragma omp simd
  for (std::int64_t c = 0; c < channels; ++c) put(dx[c], sum[c]);
}

}  // namespace

void run(LoopsBackend& device, const kernel::MaxPool2d& call) {
  const Pooling p(call.x.shape, call.y.shape, call.args);
  with_floating(call.x.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(call.x.data);
    T* const out = static_cast<T*>(call.y.data);
    auto* const winners = static_cast<std::uint8_t*>(call.argmax.data);
    const std::int64_t rows = call.y.shape[0] * p.out_h;
    parallel_for(device.team(), rows, larger(1, kGrain / larger(p.out_w * p.c, 1)),
                 [=](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t pixel = begin * p.out_w; pixel < end * p.out_w; ++pixel) {
                     const std::int64_t row = pixel / p.out_w, n = row / p.out_h;
                     for (std::int64_t c0 = 0; c0 < p.c; c0 += kPanel) {
                       pool_pixel(p, in + n * p.h * p.w * p.c, row % p.out_h, pixel % p.out_w, c0, smaller(kPanel, p.c - c0),
                                  out + pixel * p.c + c0, winners + pixel * p.c + c0);
                     }
                   }
                 });
  });
}

void run(LoopsBackend& device, const kernel::MaxPool2dGrad& call) {
  const Pooling p(call.dx.shape, call.dy.shape, call.args);
  with_floating(call.dy.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(call.dy.data);
    T* const out = static_cast<T*>(call.dx.data);
    const auto* const winners = static_cast<const std::uint8_t*>(call.argmax.data);
    const std::int64_t image = p.out_h * p.out_w * p.c;
    parallel_for(device.team(), call.dx.shape[0] * p.h, larger(1, kGrain / larger(p.w * p.c, 1)),
                 [=](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t pixel = begin * p.w; pixel < end * p.w; ++pixel) {
                     const std::int64_t row = pixel / p.w, n = row / p.h;
                     for (std::int64_t c0 = 0; c0 < p.c; c0 += kPanel) {
                       gather_pixel(p, in + n * image, winners + n * image, row % p.h, pixel % p.w, c0,
                                    smaller(kPanel, p.c - c0), out + pixel * p.c + c0);
                     }
                   }
                 });
  });
}

void run(LoopsBackend& device, const kernel::GlobalAvgPool& call) {
  const std::int64_t pixels = call.x.shape[1] * call.x.shape[2], channels = call.x.shape[3];
  const std::int64_t panels = ceil_div(channels, kPanel);
  with_floating(call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const T* const in = static_cast<const T*>(call.x.data);
    T* const out = static_cast<T*>(call.y.data);
    const std::int64_t grain = larger(1, kGrain / larger(pixels * smaller(channels, kPanel), 1));
    parallel_for(device.team(), call.x.shape[0] * panels, grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t n = task / panels, c0 = task % panels * kPanel, width = smaller(kPanel, channels - c0);
        A sum[kPanel] = {};
        for (std::int64_t p = 0; p < pixels; ++p) {
          const T* const row = in + (n * pixels + p) * channels + c0;
#pragma omp simd
          for (std::int64_t c = 0; c < width; ++c) sum[c] += A(row[c]);
        }
        for (std::int64_t c = 0; c < width; ++c) put(out[n * channels + c0 + c], sum[c] / A(pixels));
      }
    });
  });
}

void run(LoopsBackend& device, const kernel::GlobalAvgPoolGrad& call) {
  const std::int64_t pixels = call.dx.shape[1] * call.dx.shape[2], channels = call.dx.shape[3];
  with_floating(call.dy.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const T* const in = static_cast<const T*>(call.dy.data);
    T* const out = static_cast<T*>(call.dx.data);
    const std::int64_t grain = larger(1, kGrain / larger(pixels * channels, 1));
    parallel_for(device.team(), call.dx.shape[0], grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        T* const image = out + n * pixels * channels;
        for (std::int64_t p = 0; p < pixels; ++p) {
#pragma omp simd
          for (std::int64_t c = 0; c < channels; ++c) put(image[p * channels + c], A(in[n * channels + c]) / A(pixels));
        }
      }
    });
  });
}

constinit const PoolingKernels pooling_kernels = KernelsOf<LoopsBackend, PoolingKernels>::table;

}  // namespace mec::cpu::MEC_ISA
