// Convolution and the gradient of its input without a library. Here is the direct sum, and how work
// is cut into tasks for it and for Winograd's algorithm (winograd_convolution.h).
//
// The direct sum copies no patches: every result pixel is a row of a product whose inner dimension
// is scattered over the source, one stretch of channels for each tap. Pixels whose windows meet the
// same taps are summed together, whatever image they are in. Taps beyond the image are left out.
#include "mec/tensor/backends/cpu/depthwise.h"
#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/winograd_convolution.h"

namespace mec::cpu::MEC_ISA {
namespace {

// Bytes of the images that a task takes: they stay in the second-level cache while the weights pass
// by. Of small images it takes as many as fill a tile with their corners, even if these are more.
constexpr std::int64_t kBlockBytes = 256 << 10;
constexpr std::int64_t kSmallImage = 128 << 10;
constexpr std::int64_t kLeastTasks = 64;       // so that 16 threads get four each
constexpr std::int64_t kPackedChannels = 64;   // of the source, packed by one task
constexpr std::int64_t kMostPacked = 5 << 20;  // bytes of weights that are packed at a time

// The inner dimension of all pixels of a rectangle. Taps whose channels follow each other in memory
// are one stretch: whole kernel rows, where nothing is dilated and there are no groups.
template <class E> std::int64_t find_stretches(const Direction& d, const Run& rows, const Run& columns, Stretch* stretches) {
  std::int64_t count = 0;
  for (std::int64_t p = 0; p < rows.taps.count; ++p) {
    for (std::int64_t q = 0; q < columns.taps.count; ++q) {
      const std::int64_t tap = rows.taps.at(p) * d.columns.taps + columns.taps.at(q);
      const Stretch next{(p * rows.taps.source_step * d.columns.source + q * columns.taps.source_step) * d.source_channels(),
                         tap * d.depth * kTileColumns<E>, d.depth};
      Stretch& last = stretches[larger(0, count - 1)];
      if (count > 0 && last.left + last.depth == next.left && last.right + last.depth * kTileColumns<E> == next.right) {
        last.depth += d.depth;
      } else {
        stretches[count++] = next;
      }
    }
  }
  return count;
}

// Walks over the pixels of a rectangle of each image, in source and result at once.
struct Walk {
  struct Steps {
    std::int64_t source, result;
  };
  std::int64_t rows, columns;
  Steps column_step, row_step, image_step;  // from the end of a row to the next, and of an image
  std::int64_t row = 0, column = 0;
  Steps at{0, 0};

  Walk(const Direction& d, const Run& row_run, const Run& column_run) : rows(row_run.count), columns(column_run.count) {
    column_step = {column_run.source_step * d.source_channels(), column_run.step * d.result_channels()};
    const Steps row_size{row_run.source_step * d.columns.source * d.source_channels(),
                         row_run.step * d.columns.result * d.result_channels()};
    row_step = {row_size.source - columns * column_step.source, row_size.result - columns * column_step.result};
    image_step = {d.source_values() - rows * row_size.source, d.result_values() - rows * row_size.result};
  }

  void advance() {
    add(column_step);
    if (++column < columns) return;
    column = 0;
    add(row_step);
    if (++row < rows) return;
    row = 0;
    add(image_step);
  }

 private:
  void add(Steps steps) {
    at.source += steps.source;
    at.result += steps.result;
  }
};

// The pixels of one rectangle of each image of the block, for one panel.
template <class E, class R>
void sum_rectangle(const Direction& d, const Block<E, R>& block, std::int64_t index, const Run& rows, const Run& columns) {
  const Panel panel = Panel::at<E>(d, index);
  Stretch stretches[kMaxPortableTaps];
  TileTask<E> task{.rows = {},
                   .left_step = 1,
                   .right = block.weights(index, d.panel_values<E>()),
                   .right_step = kTileColumns<E>,
                   .stretches = stretches,
                   .count = find_stretches<E>(d, rows, columns, stretches)};
  const E* const source =
      block.source + (rows.taps.source * d.columns.source + columns.taps.source) * d.source_channels() + panel.group * d.depth;
  const std::int64_t channel = panel.group * d.width + panel.left;
  R* const result = block.result + (rows.first * d.columns.result + columns.first) * d.result_channels() + channel;
  const std::int64_t pixels = block.images * rows.count * columns.count;
  if (task.count == 0 && block.storing.accumulate) return;
  Walk walk(d, rows, columns);
  Tile2d<Sum<E>> tile = {};
  for (std::int64_t done = 0; done < pixels; done += kTileRows) {
    R* results[kTileRows];
    const std::int64_t count = smaller(kTileRows, pixels - done);
    for (std::int64_t r = 0; r < count; ++r, walk.advance()) {
      task.rows[r] = source + walk.at.source;
      results[r] = result + walk.at.result;
    }
    for (std::int64_t r = count; r < kTileRows; ++r) task.rows[r] = task.rows[0];  // read, and thrown away
    if (task.count > 0) sum_tile(task, panel.columns, tile);
    for (std::int64_t r = 0; r < count; ++r) store_results(block, tile.at[r], channel, panel.columns, results[r]);
  }
}

template <class E, class R> void sum_block(const Direction& d, const Block<E, R>& block) noexcept {
  for (std::int64_t panel = block.panels.begin; panel < block.panels.end; ++panel) {
    for_runs(d.rows, [&](const Run& rows) {
      for_runs(d.columns, [&](const Run& columns) { sum_rectangle(d, block, panel, rows, columns); });
    });
  }
}

// A way to sum: the sizes of a panel and of a thread's memory, the fewest images of a block, how it
// packs the weights of a panel for some channels of the source, and the sum.
template <class E> struct Direct {
  static std::int64_t panel_values(const Direction& d) { return d.panel_values<E>(); }
  static std::int64_t thread_values(const Direction&) { return 0; }
  static std::int64_t least_images(const Direction& d) {
    return d.source_values() * static_cast<std::int64_t>(sizeof(E)) <= kSmallImage ? kTileRows : 1;
  }
  template <class PackTap> static void pack(const Direction& d, PackTap pack_tap, Range channels, E* panel) {
    for (std::int64_t tap = 0; tap < d.taps(); ++tap) {
      pack_tap(tap, channels.begin, channels.size(), panel + (tap * d.depth + channels.begin) * kTileColumns<E>);
    }
  }
  template <class R> static void sum(const Direction& d, const Block<E, R>& block, E*) noexcept { sum_block(d, block); }
};

// Fills the tables, each of one value for each channel.
template <class S, class R> Storing<S, R> store_normalized(const kernel::Conv2dBatchNorm& norm, S* scale, S* shift) {
  const auto at = [](const In& values, std::int64_t c, S otherwise) {
    return values.data ? static_cast<const S*>(values.data)[c] : otherwise;
  };
  const S* const mean = static_cast<const S*>(norm.mean.data);
  const S* const var = static_cast<const S*>(norm.var.data);
  for (std::int64_t c = 0; c < norm.y.shape[3]; ++c) {
    const auto affine =
        functor::ChannelAffine<S>::of(mean[c], var[c], at(norm.gamma, c, 1), at(norm.beta, c, 0), S(norm.norm.eps));
    scale[c] = affine.scale;
    shift[c] = affine.shift;
  }
  return {.scale = scale, .shift = shift, .add = static_cast<const R*>(norm.add.data), .relu = norm.norm.relu};
}

// The source is stored as T and multiplied as E. `pack_tap(panel, tap, first, count, rows)` packs
// `count` source channels of the weights of one tap: they are the rows, the panel's channels the
// columns.
template <class E, class Way, class T, class R, class PackTap>
void convolve_by(LoopsBackend& device, const Direction& d, const T* source, R* result, bool accumulate,
                 const kernel::Conv2dBatchNorm* norm, PackTap pack_tap) {
  constexpr bool kWiden = !std::is_same_v<T, E>, kRepeats = kWiden || !std::is_same_v<Way, Direct<E>>;
  const Team team = device.team();
  const std::int64_t all_panels = d.panels<E>(), panel_values = Way::panel_values(d);
  if (d.images == 0 || all_panels == 0) return;
  const std::int64_t image_bytes = d.source_values() * static_cast<std::int64_t>(sizeof(E));
  const std::int64_t block_images = smaller(d.images, larger(Way::least_images(d), kBlockBytes / larger(1, image_bytes)));
  const std::int64_t blocks = ceil_div(d.images, block_images);
  const std::int64_t panels =
      smaller(all_panels, larger(1, kMostPacked / larger(1, panel_values * static_cast<std::int64_t>(sizeof(E)))));
  // Of the panels. Each part widens or transforms its block again, in each round of panels.
  const std::int64_t parts = smaller(panels, ceil_div(kRepeats ? kLeastTasks / 4 : kLeastTasks, blocks));

  const std::int64_t packed_values = aligned_count(panels * panel_values);
  const std::int64_t wide_values = kWiden ? aligned_count(block_images * d.source_values()) : 0;
  const std::int64_t thread_values = wide_values + Way::thread_values(d);
  const std::int64_t table_values = norm ? aligned_count(d.result_channels()) : 0;
  const std::int64_t values = packed_values + team.count * thread_values + 2 * table_values;
  const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(values) * sizeof(E));
  E* const packed = scratch.as<E>();
  Storing<Sum<E>, R> storing{.accumulate = accumulate};
  if (norm) {
    auto* const tables = reinterpret_cast<Sum<E>*>(packed + packed_values + team.count * thread_values);
    storing = store_normalized<Sum<E>, R>(*norm, tables, tables + table_values);
  }
  for (std::int64_t round = 0; round < all_panels; round += panels) {
    const std::int64_t count_panels = smaller(panels, all_panels - round), pieces = ceil_div(d.depth, kPackedChannels);
    parallel_tasks(team, count_panels * pieces, [=](std::int64_t task) {
      const std::int64_t index = task / pieces, first_channel = task % pieces * kPackedChannels;
      const Panel panel = Panel::at<E>(d, round + index);
      const auto pack_panel_tap = [=](std::int64_t tap, std::int64_t first, std::int64_t count, E* rows) {
        pack_tap(panel, tap, first, count, rows);
      };
      Way::pack(d, pack_panel_tap, {first_channel, smaller(d.depth, first_channel + kPackedChannels)},
                packed + index * panel_values);
    });
    parallel_tasks(team, blocks * parts, [=](std::int64_t index, int thread) {
      const std::int64_t part = index % parts, first = index / parts * block_images,
                         count = smaller(block_images, d.images - first);
      const Range section{round + count_panels * part / parts, round + count_panels * (part + 1) / parts};
      if (section.size() == 0) return;
      const T* const from = source + first * d.source_values();
      E* const memory = packed + packed_values + thread * thread_values;
      Block<E, R> block{.source = nullptr,
                        .result = result + first * d.result_values(),
                        .images = count,
                        .packed = packed,
                        .first_packed = round,
                        .panels = section,
                        .storing = storing};
      if (storing.add) block.storing.add += first * d.result_values();
      if constexpr (kWiden) {
#pragma omp simd
        for (std::int64_t i = 0; i < count * d.source_values(); ++i) memory[i] = E(from[i]);
        block.source = memory;
      } else {
        block.source = from;
      }
      Way::sum(d, block, memory + wide_values);
    });
  }
}

template <class E, class T, class R, class PackTap>
void convolve(LoopsBackend& device, const Direction& d, const T* source, R* result, bool accumulate,
              const kernel::Conv2dBatchNorm* norm, PackTap pack_tap) {
  if constexpr (std::is_same_v<E, float>) {
    if (suits_winograd(d, kLeastInFloats))
      return convolve_by<E, Winograd>(device, d, source, result, accumulate, norm, pack_tap);
  }
  convolve_by<E, Direct<E>>(device, d, source, result, accumulate, norm, pack_tap);
}

// f.operator()<Stored, E, R>(d): the direction in elements. Pairs of bf16 are neighbouring
// channels.
template <class F> void with_direction(LoopsBackend& device, Dtype operand, Dtype result, const Direction& d, F f) {
  with_product_types(operand, result, [&]<class T, class R>() {
    with_elements<T>(device.pairs_bf16() && d.depth % 2 == 0 && !suits_winograd(d, kLeastOverPairs),
                     [&]<class Stored, class E>() {
                       Direction in_elements = d;
                       in_elements.depth /= static_cast<std::int64_t>(sizeof(Stored) / sizeof(T));
                       f.template operator()<Stored, E, R>(in_elements);
                     });
  });
}

// `norm` may be null.
template <class Call> void convolve_forward(LoopsBackend& device, const Call& call, const kernel::Conv2dBatchNorm* norm) {
  const Shape &x = call.x.shape, &w = call.w.shape, &y = call.y.shape;
  const auto axis = [&](int i) { return axis_of(y, x, w, call.args, false, i); };
  const std::int64_t groups = call.args.groups;
  const Direction sizes{axis(1), axis(2), x[0], x[3] / groups, y[3] / groups, groups};
  with_direction(device, call.x.dtype, call.y.dtype, sizes, [&]<class T, class E, class R>(const Direction& d) {
    const T* const weight = static_cast<const T*>(call.w.data);
    convolve<E>(device, d, static_cast<const T*>(call.x.data), static_cast<R*>(call.y.data), false, norm,
                [=](const Panel& panel, std::int64_t tap, std::int64_t first, std::int64_t count, E* rows) {
                  const std::int64_t column = panel.group * d.width + panel.left;
                  pack_columns(weight + (column * d.taps() + tap) * d.depth + first, d.taps() * d.depth, count, panel.columns,
                               rows);
                });
  });
}

}  // namespace

void run(LoopsBackend& device, const kernel::Conv2d& call) {
  if (is_depthwise(call.x.shape, call.w.shape, call.args)) return depthwise_conv2d(device, call);
  convolve_forward(device, call, nullptr);
}

void run(LoopsBackend& device, const kernel::Conv2dBatchNorm& call) {
  if (is_depthwise(call.x.shape, call.w.shape, call.args)) return run_in_turn(device, call);
  convolve_forward(device, call, &call);
}

void run(LoopsBackend& device, const kernel::Conv2dGradInput& call) {
  if (is_depthwise(call.dx.shape, call.w.shape, call.args)) return depthwise_grad_input(device, call);
  const Shape &dy = call.dy.shape, &w = call.w.shape, &dx = call.dx.shape;
  const auto axis = [&](int i) { return axis_of(dx, dy, w, call.args, true, i); };
  const std::int64_t groups = call.args.groups;
  const Direction sizes{axis(1), axis(2), dx[0], dy[3] / groups, dx[3] / groups, groups};
  with_direction(device, call.dy.dtype, call.dx.dtype, sizes, [&]<class T, class E, class R>(const Direction& d) {
    using Weight = std::conditional_t<std::is_same_v<T, Bf16Pair>, bf16, T>;
    const Weight* const weight = static_cast<const Weight*>(call.w.data);
    constexpr std::int64_t kChannels = std::is_same_v<E, Bf16Pair> ? 2 : 1;  // of an element
    convolve<E>(device, d, static_cast<const T*>(call.dy.data), static_cast<R*>(call.dx.data), call.args.accumulate, nullptr,
                [=](const Panel& panel, std::int64_t tap, std::int64_t first, std::int64_t count, E* rows) {
                  const std::int64_t channel = (panel.group * d.depth + first) * kChannels;
                  pack_rows(weight + (channel * d.taps() + tap) * d.width + panel.left, d.taps() * d.width, count,
                            panel.columns, rows);
                });
  });
}

void run(LoopsBackend& device, const kernel::Conv2dGradWeight& call);  // portable_weight_gradient.cpp

constinit const ConvolutionKernels portable_convolution_kernels = KernelsOf<LoopsBackend, ConvolutionKernels>::table;

}  // namespace mec::cpu::MEC_ISA
