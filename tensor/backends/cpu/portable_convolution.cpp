// Convolution without a library: no patches are copied. An image is widened once into a plane with
// a border of zeros; then every output pixel is a row of a product whose inner dimension is
// scattered over the plane, one stretch of channels for each tap.
#include <cstring>

#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/tile_product.h"

namespace mec::cpu::MEC_ISA {
namespace {

constexpr std::int64_t kMaxTaps = kMaxPortableTaps;

// An image of `channels` channels inside a border of zeros.
struct Plane {
  std::int64_t h, w, channels, before, full_h, full_w;

  std::int64_t at(std::int64_t row, std::int64_t column) const {
    return ((row + before) * full_w + column + before) * channels;
  }
  // With room at the end: vectors that start on the last pixel read past it.
  template <class A> std::int64_t values() const { return aligned_count(full_h * full_w * channels + kTileColumns<A>); }
};

template <class T, class A> void load_plane(const Plane& p, const T* x, A* plane) {
  std::memset(static_cast<void*>(plane), 0, static_cast<std::size_t>(p.values<A>()) * sizeof(A));
  for (std::int64_t row = 0; row < p.h; ++row) {
    A* const to = plane + p.at(row, 0);
    const T* const from = x + row * p.w * p.channels;
#pragma omp simd
    for (std::int64_t i = 0; i < p.w * p.channels; ++i) to[i] = A(from[i]);
  }
}

// Sizes of a convolution; the letters of backend.h.
struct Conv {
  std::int64_t n, h, w, c, o, out_h, out_w, kh, kw, stride, pad, dilation, groups;

  Conv(const Shape& x, const Shape& weight, const Shape& y, const Conv2dArgs& args)
      : n(x[0]),
        h(x[1]),
        w(x[2]),
        c(x[3]),
        o(y[3]),
        out_h(y[1]),
        out_w(y[2]),
        kh(weight[1]),
        kw(weight[2]),
        stride(args.stride),
        pad(args.pad),
        dilation(args.dilation),
        groups(args.groups) {}
  std::int64_t taps() const { return kh * kw; }
  std::int64_t group_c() const { return c / groups; }
  std::int64_t group_o() const { return o / groups; }

  Plane x_plane() const {
    return {h,
            w,
            c,
            pad,
            larger(h + pad, (out_h - 1) * stride + dilation * (kh - 1) + 1),
            larger(w + pad, (out_w - 1) * stride + dilation * (kw - 1) + 1)};
  }
  Plane dy_plane() const {
    const std::int64_t before = larger(0, (dilation * (larger(kh, kw) - 1) - pad) / stride);
    return {out_h,
            out_w,
            o,
            before,
            before + larger(out_h, (h - 1 + pad) / stride + 1),
            before + larger(out_w, (w - 1 + pad) / stride + 1)};
  }
};

// Result pixels that use the same taps in the same way: pixel (i,j) sums taps around source pixel
// (i,j)·source_step and is written to (first_row, first_column) + (i,j)·result_step. All pixels of
// the forward direction are one phase; in the gradient of the input, the position modulo the stride
// decides which taps contribute.
struct Phase {
  std::int64_t rows, columns, source_step, result_step, first_row, first_column;
  std::int64_t taps;
  std::int64_t source_row[kMaxTaps], source_column[kMaxTaps], tap[kMaxTaps];
};

void add_tap(Phase& phase, std::int64_t row, std::int64_t column, std::int64_t tap) {
  phase.source_row[phase.taps] = row;
  phase.source_column[phase.taps] = column;
  phase.tap[phase.taps++] = tap;
}

void forward_phase(const Conv& conv, Phase& phase) {
  phase.rows = conv.out_h;
  phase.columns = conv.out_w;
  phase.source_step = conv.stride;
  phase.result_step = 1;
  phase.first_row = phase.first_column = phase.taps = 0;
  for (std::int64_t tap = 0; tap < conv.taps(); ++tap) {
    add_tap(phase, tap / conv.kw * conv.dilation - conv.pad, tap % conv.kw * conv.dilation - conv.pad, tap);
  }
}

// Through tap row kh, input row r contributes to output row (r + pad − kh·dilation)/stride where
// that is a whole number.
void grad_phase(const Conv& conv, std::int64_t index, Phase& phase) {
  phase.first_row = index / conv.stride;
  phase.first_column = index % conv.stride;
  phase.rows = larger(0, ceil_div(conv.h - phase.first_row, conv.stride));
  phase.columns = larger(0, ceil_div(conv.w - phase.first_column, conv.stride));
  phase.source_step = 1;
  phase.result_step = conv.stride;
  phase.taps = 0;
  for (std::int64_t tap = 0; tap < conv.taps(); ++tap) {
    const std::int64_t row = phase.first_row + conv.pad - tap / conv.kw * conv.dilation;
    const std::int64_t column = phase.first_column + conv.pad - tap % conv.kw * conv.dilation;
    if (row % conv.stride == 0 && column % conv.stride == 0) add_tap(phase, row / conv.stride, column / conv.stride, tap);
  }
}

// Sizes of one direction: a source of `depth` channels per group becomes a result of `width`
// channels per group.
struct Direction {
  Plane source;
  std::int64_t depth, width, result_h, result_w, groups, taps;

  std::int64_t result_channels() const { return width * groups; }
  template <class A> std::int64_t panels() const { return ceil_div(width, kTileColumns<A>); }
};

// packed[group][panel][tap][k][column]: element(group, tap, k, column) of the weight, zero beyond
// the last column.
template <class A, class Element> void pack_weight(const Direction& d, A* packed, Element element) {
  constexpr std::int64_t kWidth = kTileColumns<A>;
  for (std::int64_t gp = 0; gp < d.groups * d.panels<A>(); ++gp) {
    const std::int64_t group = gp / d.panels<A>(), left = gp % d.panels<A>() * kWidth;
    for (std::int64_t tk = 0; tk < d.taps * d.depth; ++tk, packed += kWidth) {
      for (std::int64_t c = 0; c < kWidth; ++c) {
        packed[c] = left + c < d.width ? element(group, tk / d.depth, tk % d.depth, left + c) : A(0);
      }
    }
  }
}

// All pixels of one phase of one image, for one panel of one group.
template <class A, class R>
void sum_phase(const Direction& d, const Phase& phase, const A* plane, const A* panel, std::int64_t group, std::int64_t left,
               R* image, bool accumulate) {
  Stretch stretches[kMaxTaps];
  for (std::int64_t t = 0; t < phase.taps; ++t) {
    stretches[t] = {(phase.source_row[t] * d.source.full_w + phase.source_column[t]) * d.source.channels + group * d.depth,
                    phase.tap[t] * d.depth * kTileColumns<A>, d.depth};
  }
  TileTask<A> task{
      .rows = {}, .left_step = 1, .right = panel, .right_step = kTileColumns<A>, .stretches = stretches, .count = phase.taps};
  Tile2d<A> tile;
  const std::int64_t pixels = phase.rows * phase.columns, columns = smaller(kTileColumns<A>, d.width - left);
  for (std::int64_t p = 0; p < pixels; p += kTileRows) {
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      const std::int64_t pixel = smaller(p + r, pixels - 1);
      task.rows[r] = plane + d.source.at(pixel / phase.columns * phase.source_step, pixel % phase.columns * phase.source_step);
    }
    sum_tile(task, columns, tile);
    for (std::int64_t r = 0; r < smaller(kTileRows, pixels - p); ++r) {
      const std::int64_t row = phase.first_row + (p + r) / phase.columns * phase.result_step;
      const std::int64_t column = phase.first_column + (p + r) % phase.columns * phase.result_step;
      store_row(tile.at[r], image + (row * d.result_w + column) * d.result_channels() + group * d.width + left, columns,
                accumulate);
    }
  }
}

// Image n. `make_phase(index, phase)` gives each of the phases.
template <class T, class R, class A, class MakePhase>
void sum_image(const Direction& d, const T* source, const A* packed, A* plane, R* result, std::int64_t n, std::int64_t phases,
               bool accumulate, MakePhase make_phase) noexcept {
  const std::int64_t panel_values = d.taps * d.depth * kTileColumns<A>;
  load_plane(d.source, source + n * d.source.h * d.source.w * d.source.channels, plane);
  for (std::int64_t index = 0; index < phases; ++index) {
    Phase phase;
    make_phase(index, phase);
    // A panel stays in cache while all pixels are summed.
    for (std::int64_t gp = 0; gp < d.groups * d.panels<A>(); ++gp) {
      sum_phase(d, phase, plane, packed + gp * panel_values, gp / d.panels<A>(), gp % d.panels<A>() * kTileColumns<A>,
                result + n * d.result_h * d.result_w * d.result_channels(), accumulate);
    }
  }
}

}  // namespace

void run(LoopsBackend& device, const kernel::Conv2d& call) {
  const Conv conv(call.x.shape, call.w.shape, call.y.shape, call.args);
  const Direction d{conv.x_plane(), conv.group_c(), conv.group_o(), conv.out_h, conv.out_w, conv.groups, conv.taps()};
  with_product_types(call.x.dtype, call.y.dtype, [&]<class T, class R>() {
    using A = Accumulator<T>;
    const Team team = device.team();
    const std::int64_t plane_values = d.source.values<A>();
    const std::int64_t packed_values = aligned_count(d.groups * d.panels<A>() * d.taps * d.depth * kTileColumns<A>);
    const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(packed_values + team.count * plane_values) * sizeof(A));
    A* const packed = reinterpret_cast<A*>(scratch.data());
    const T* const weight = static_cast<const T*>(call.w.data);
    pack_weight(d, packed, [&](std::int64_t group, std::int64_t tap, std::int64_t k, std::int64_t column) {
      return A(weight[((group * d.width + column) * d.taps + tap) * d.depth + k]);
    });
    const T* const source = static_cast<const T*>(call.x.data);
    R* const result = static_cast<R*>(call.y.data);
    parallel_tasks(team, conv.n, [=](std::int64_t n, int thread) {
      sum_image(d, source, packed, packed + packed_values + thread * plane_values, result, n, 1, false,
                [&](std::int64_t, Phase& phase) { forward_phase(conv, phase); });
    });
  });
}

void run(LoopsBackend& device, const kernel::Conv2dGradInput& call) {
  const Conv conv(call.dx.shape, call.w.shape, call.dy.shape, call.args);
  const Direction d{conv.dy_plane(), conv.group_o(), conv.group_c(), conv.h, conv.w, conv.groups, conv.taps()};
  with_product_types(call.dy.dtype, call.dx.dtype, [&]<class T, class R>() {
    using A = Accumulator<T>;
    const Team team = device.team();
    const std::int64_t plane_values = d.source.values<A>();
    const std::int64_t packed_values = aligned_count(d.groups * d.panels<A>() * d.taps * d.depth * kTileColumns<A>);
    const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(packed_values + team.count * plane_values) * sizeof(A));
    A* const packed = reinterpret_cast<A*>(scratch.data());
    const T* const weight = static_cast<const T*>(call.w.data);
    pack_weight(d, packed, [&](std::int64_t group, std::int64_t tap, std::int64_t k, std::int64_t column) {
      return A(weight[((group * d.depth + k) * d.taps + tap) * d.width + column]);
    });
    const T* const source = static_cast<const T*>(call.dy.data);
    R* const result = static_cast<R*>(call.dx.data);
    const bool accumulate = call.args.accumulate;
    parallel_tasks(team, conv.n, [=](std::int64_t n, int thread) {
      sum_image(d, source, packed, packed + packed_values + thread * plane_values, result, n, conv.stride * conv.stride,
                accumulate, [&](std::int64_t index, Phase& phase) { grad_phase(conv, index, phase); });
    });
  });
}

namespace {

// Adds one image's contribution to dw: for each tap, the inner dimension runs over the output
// pixels, a stretch for each row of them.
template <class A> void add_weight_grad(const Conv& conv, const Plane& x_plane, const A* x, const A* dy, A* dw) {
  Tile2d<A> tile;
  Stretch stretches[kMaxTaps];
  TileTask<A> task{
      .rows = {}, .left_step = conv.o, .right = x, .right_step = conv.stride * conv.c, .stretches = stretches, .count = 0};
  for (std::int64_t o = 0; o < conv.o; o += smaller(kTileRows, conv.group_o() - o % conv.group_o())) {
    const std::int64_t group = o / conv.group_o(), rows = smaller(kTileRows, (group + 1) * conv.group_o() - o);
    for (std::int64_t r = 0; r < kTileRows; ++r) task.rows[r] = dy + smaller(o + r, o + rows - 1);
    for (std::int64_t tap = 0; tap < conv.taps(); ++tap) {
      const std::int64_t row = tap / conv.kw * conv.dilation - conv.pad, column = tap % conv.kw * conv.dilation - conv.pad;
      for (std::int64_t left = 0; left < conv.group_c(); left += kTileColumns<A>) {
        const std::int64_t columns = smaller(kTileColumns<A>, conv.group_c() - left);
        for (std::int64_t top = 0; top < conv.out_h; top += kMaxTaps) {
          task.count = smaller(kMaxTaps, conv.out_h - top);
          for (std::int64_t i = 0; i < task.count; ++i) {
            stretches[i] = {(top + i) * conv.out_w * conv.o,
                            x_plane.at((top + i) * conv.stride + row, column) + group * conv.group_c() + left, conv.out_w};
          }
          sum_tile(task, columns, tile);
          for (std::int64_t r = 0; r < rows; ++r) {
            store_row(tile.at[r], dw + ((o + r) * conv.taps() + tap) * conv.group_c() + left, columns, true);
          }
        }
      }
    }
  }
}

// Sums over images are kept in this many separate parts, whatever the number of threads: the result
// does not depend on it.
constexpr std::int64_t kParts = 8;

}  // namespace

void run(LoopsBackend& device, const kernel::Conv2dGradWeight& call) {
  const Conv conv(call.x.shape, call.dw.shape, call.dy.shape, call.args);
  const Plane x_plane = conv.x_plane(), dy_plane{conv.out_h, conv.out_w, conv.o, 0, conv.out_h, conv.out_w};
  with_product_types(call.x.dtype, call.dw.dtype, [&]<class T, class R>() {
    using A = Accumulator<T>;
    const std::int64_t parts = smaller(kParts, conv.n), weights = numel(call.dw.shape), sum_values = aligned_count(weights);
    const std::int64_t x_values = x_plane.values<A>(), part_values = sum_values + x_values + dy_plane.values<A>();
    const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(parts * part_values) * sizeof(A));
    A* const sums = reinterpret_cast<A*>(scratch.data());
    const T* const in = static_cast<const T*>(call.x.data);
    const T* const gradient = static_cast<const T*>(call.dy.data);
    parallel_tasks(device.team(), parts, [=](std::int64_t part) {
      A* const sum = sums + part * part_values;
      A* const wide_x = sum + sum_values;
      A* const wide_dy = wide_x + x_values;
      std::memset(static_cast<void*>(sum), 0, static_cast<std::size_t>(weights) * sizeof(A));
      for (std::int64_t n = conv.n * part / parts; n < conv.n * (part + 1) / parts; ++n) {
        load_plane(x_plane, in + n * conv.h * conv.w * conv.c, wide_x);
        load_plane(dy_plane, gradient + n * conv.out_h * conv.out_w * conv.o, wide_dy);
        add_weight_grad(conv, x_plane, wide_x, wide_dy, sum);
      }
    });
    R* const result = static_cast<R*>(call.dw.data);
    const bool accumulate = call.args.accumulate;
    parallel_for(device.team(), weights, kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        A sum = accumulate ? A(result[i]) : A(0);
        for (std::int64_t part = 0; part < parts; ++part) sum += sums[part * part_values + i];
        put(result[i], sum);
      }
    });
  });
}

constinit const ConvolutionKernels portable_convolution_kernels = KernelsOf<LoopsBackend, ConvolutionKernels>::table;

}  // namespace mec::cpu::MEC_ISA
