// Depthwise convolutions without a library. The sums of some vectors of channels stay in registers,
// for all taps of a pixel, or all pixels of a tap.
#include <cstring>

#include "mec/tensor/backends/cpu/depthwise.h"
#include "mec/tensor/backends/cpu/tile_product.h"
#include "mec/tensor/backends/cpu/window_runs.h"

namespace mec::cpu::MEC_ISA {
namespace {

constexpr std::int64_t kMostParts = 16;  // of the images, each with sums of its own

// A vector of a row of channels. bf16 is the upper half of an f32.
template <class T> typename Vector<Accumulator<T>>::Values load(const T* from) {
  if constexpr (std::is_same_v<T, bf16>) {
    typedef std::uint16_t Halves __attribute__((vector_size(kVectorBytes / 2), aligned(2), may_alias));
    typedef std::uint32_t Wide __attribute__((vector_size(kVectorBytes)));
    return reinterpret_cast<typename Vector<float>::Values>(
        __builtin_convertvector(*reinterpret_cast<const Halves*>(from), Wide) << 16);
  } else {
    return *reinterpret_cast<const typename Vector<T>::Anywhere*>(from);
  }
}

// Sums of `kVectors` vectors of channels.
template <int kVectors, class A> struct Sums {
  typename Vector<A>::Values at[kVectors] = {};

  template <class X, class Y> void add_product(const X* x, const Y* y) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) at[v] += load(x + v * kLanes<A>) * load(y + v * kLanes<A>);
  }
  void store(A* to) const {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) *reinterpret_cast<typename Vector<A>::Anywhere*>(to + v * kLanes<A>) = at[v];
  }
  static constexpr std::int64_t channels = kVectors * kLanes<A>;
};
// Of one channel.
template <class A> struct OneSum {
  A at = 0;

  template <class X, class Y> void add_product(const X* x, const Y* y) { at += A(*x) * A(*y); }
  void store(A* to) const { *to = at; }
  static constexpr std::int64_t channels = 1;
};

// body.operator()<S>(first channel) for all channels, as many at once as S has.
template <class A, class F> void for_channels(std::int64_t channels, F body) {
  std::int64_t left = 0;
  for (; left + 4 * kLanes<A> <= channels; left += 4 * kLanes<A>) body.template operator()<Sums<4, A>>(left);
  for (; left + kLanes<A> <= channels; left += kLanes<A>) body.template operator()<Sums<1, A>>(left);
  for (; left < channels; ++left) body.template operator()<OneSum<A>>(left);
}

// One result pixel: the sum over its taps, of which `x` is met by the first. w: (taps, channels)
template <class T, class A, class R>
void sum_pixel(const Run& rows, const Run& columns, std::int64_t row_step, std::int64_t channels, std::int64_t taps_of_row,
               const T* x, const A* w, R* y, bool accumulate) {
  for_channels<A>(channels, [&]<class S>(std::int64_t left) {
    S sums;
    for (std::int64_t p = 0; p < rows.taps.count; ++p) {
      for (std::int64_t q = 0; q < columns.taps.count; ++q) {
        const std::int64_t tap = rows.taps.at(p) * taps_of_row + columns.taps.at(q);
        sums.add_product(x + p * rows.taps.source_step * row_step + q * columns.taps.source_step * channels + left,
                         w + tap * channels + left);
      }
    }
    A values[S::channels];
    sums.store(values);
    store_row(values, y + left, S::channels, accumulate);
  });
}

// Every image is a task. weight: (channels, taps)
template <class T, class R>
void convolve(LoopsBackend& device, const Axis& row_axis, const Axis& column_axis, std::int64_t images, std::int64_t channels,
              const T* source, const T* weight, R* result, bool accumulate) {
  using A = Accumulator<T>;
  const std::int64_t taps = row_axis.taps * column_axis.taps;
  const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(taps * channels) * sizeof(A));
  A* const w = scratch.as<A>();
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t tap = 0; tap < taps; ++tap) w[tap * channels + c] = A(weight[c * taps + tap]);
  }
  const std::int64_t row_step = column_axis.source * channels;
  parallel_tasks(device.team(), images, [=](std::int64_t n) {
    const T* const x = source + n * row_axis.source * row_step;
    R* const y = result + n * row_axis.result * column_axis.result * channels;
    for_runs(row_axis, [&](const Run& rows) {
      for_runs(column_axis, [&](const Run& columns) {
        for (std::int64_t i = 0; i < rows.count; ++i) {
          for (std::int64_t j = 0; j < columns.count; ++j) {
            sum_pixel(rows, columns, row_step, channels, column_axis.taps,
                      x + (rows.taps.source + i * rows.source_step) * row_step +
                          (columns.taps.source + j * columns.source_step) * channels,
                      w, y + ((rows.first + i * rows.step) * column_axis.result + columns.first + j * columns.step) * channels,
                      accumulate);
          }
        }
      });
    });
  });
}

}  // namespace

void depthwise_conv2d(LoopsBackend& device, const kernel::Conv2d& call) {
  const Shape &x = call.x.shape, &w = call.w.shape, &y = call.y.shape;
  with_product_types(call.x.dtype, call.y.dtype, [&]<class T, class R>() {
    convolve(device, axis_of(y, x, w, call.args, false, 1), axis_of(y, x, w, call.args, false, 2), x[0], x[3],
             static_cast<const T*>(call.x.data), static_cast<const T*>(call.w.data), static_cast<R*>(call.y.data), false);
  });
}

void depthwise_grad_input(LoopsBackend& device, const kernel::Conv2dGradInput& call) {
  const Shape &dy = call.dy.shape, &w = call.w.shape, &dx = call.dx.shape;
  with_product_types(call.dy.dtype, call.dx.dtype, [&]<class T, class R>() {
    convolve(device, axis_of(dx, dy, w, call.args, true, 1), axis_of(dx, dy, w, call.args, true, 2), dx[0], dx[3],
             static_cast<const T*>(call.dy.data), static_cast<const T*>(call.w.data), static_cast<R*>(call.dx.data),
             call.args.accumulate);
  });
}

namespace {

// Adds one image to the sums of one tap: Σ over output pixels of x·dy. rows, columns: where the
// output meets x, forward.
template <class T, class A>
void add_tap(const Axis& rows, const Axis& columns, std::int64_t p, std::int64_t q, std::int64_t channels, const T* x,
             const T* dy, A* tap_sums) {
  const Range row_range = meeting(rows, p), column_range = meeting(columns, q);
  for_channels<A>(channels, [&]<class S>(std::int64_t left) {
    S sums;
    for (std::int64_t i = row_range.begin; i < row_range.end; ++i) {
      const std::int64_t row = rows.source_of(i, p);
      for (std::int64_t j = column_range.begin; j < column_range.end; ++j) {
        const std::int64_t column = columns.source_of(j, q);
        sums.add_product(x + (row * columns.source + column) * channels + left,
                         dy + (i * columns.result + j) * channels + left);
      }
    }
    A values[S::channels];
    sums.store(values);
    for (std::int64_t c = 0; c < S::channels; ++c) tap_sums[left + c] += values[c];
  });
}

}  // namespace

void depthwise_grad_weight(LoopsBackend& device, const kernel::Conv2dGradWeight& call) {
  const Shape &x = call.x.shape, &w = call.dw.shape, &dy = call.dy.shape;
  const Axis rows = axis_of(dy, x, w, call.args, false, 1), columns = axis_of(dy, x, w, call.args, false, 2);
  const std::int64_t images = x[0], channels = x[3], taps = rows.taps * columns.taps, values = taps * channels;
  with_product_types(call.x.dtype, call.dw.dtype, [&]<class T, class R>() {
    using A = Accumulator<T>;
    const std::int64_t parts = larger(1, smaller(kMostParts, images));
    const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(parts * values) * sizeof(A));
    A* const sums = scratch.as<A>();
    const T* const in = static_cast<const T*>(call.x.data);
    const T* const gradient = static_cast<const T*>(call.dy.data);
    parallel_tasks(device.team(), parts, [=](std::int64_t part) {
      A* const sum = sums + part * values;
      std::memset(static_cast<void*>(sum), 0, static_cast<std::size_t>(values) * sizeof(A));
      for (std::int64_t n = images * part / parts; n < images * (part + 1) / parts; ++n) {
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          add_tap(rows, columns, tap / columns.taps, tap % columns.taps, channels,
                  in + n * rows.source * columns.source * channels, gradient + n * rows.result * columns.result * channels,
                  sum + tap * channels);
        }
      }
    });
    R* const result = static_cast<R*>(call.dw.data);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        A sum = call.args.accumulate ? A(result[c * taps + tap]) : A(0);
        for (std::int64_t part = 0; part < parts; ++part) sum += sums[part * values + tap * channels + c];
        put(result[c * taps + tap], sum);
      }
    }
  });
}

}  // namespace mec::cpu::MEC_ISA
