// Convolution and the gradient of its input without a library. No patches are copied: every result
// pixel is a row of a product whose inner dimension is scattered over the source, one stretch of
// channels for each tap. Pixels whose windows meet the same taps are summed together, whatever
// image they are in, and taps beyond the image are left out.
#include "mec/tensor/backends/cpu/depthwise.h"
#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/tile_product.h"
#include "mec/tensor/backends/cpu/window_runs.h"

namespace mec::cpu::MEC_ISA {
namespace {

// Bytes of the images that a task takes: they stay in the second-level cache while the weights pass
// by. Of small images it takes as many as fill a tile with their corners, even if these are more.
constexpr std::int64_t kBlockBytes = 256 << 10;
constexpr std::int64_t kSmallImage = 128 << 10;
constexpr std::int64_t kLeastTasks = 64;  // so that 16 threads get four each

// Sizes of one direction: a source of `depth` channels per group becomes a result of `width`
// channels per group.
struct Direction {
  Axis rows, columns;
  std::int64_t images, depth, width, groups;

  std::int64_t taps() const { return rows.taps * columns.taps; }
  std::int64_t source_channels() const { return depth * groups; }
  std::int64_t result_channels() const { return width * groups; }
  std::int64_t source_values() const { return rows.source * columns.source * source_channels(); }  // of an image
  std::int64_t result_values() const { return rows.result * columns.result * result_channels(); }

  template <class E> std::int64_t panel_values() const { return taps() * depth * kTileColumns<E>; }
  template <class E> std::int64_t panels_of_group() const { return ceil_div(width, kTileColumns<E>); }
  template <class E> std::int64_t panels() const { return groups * panels_of_group<E>(); }
};

// A panel's group, and the channels of that group which are its columns.
struct Panel {
  std::int64_t group, left, columns;

  template <class E> static Panel at(const Direction& d, std::int64_t index) {
    const std::int64_t left = index % d.panels_of_group<E>() * kTileColumns<E>;
    return {index / d.panels_of_group<E>(), left, smaller(kTileColumns<E>, d.width - left)};
  }
};

// What one task works on: some images, from `source` to `result`, and the weights of some panels.
template <class E, class R> struct Block {
  const E* source;
  R* result;
  std::int64_t images;
  const E* packed;
  std::int64_t first_panel, last_panel;  // the latter excluded
  bool accumulate;
};

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
                   .right = block.packed + index * d.panel_values<E>(),
                   .right_step = kTileColumns<E>,
                   .stretches = stretches,
                   .count = find_stretches<E>(d, rows, columns, stretches)};
  const E* const source =
      block.source + (rows.taps.source * d.columns.source + columns.taps.source) * d.source_channels() + panel.group * d.depth;
  R* const result =
      block.result + (rows.first * d.columns.result + columns.first) * d.result_channels() + panel.group * d.width + panel.left;
  const std::int64_t pixels = block.images * rows.count * columns.count;
  if (task.count == 0 && block.accumulate) return;
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
    for (std::int64_t r = 0; r < count; ++r) store_row(tile.at[r], results[r], panel.columns, block.accumulate);
  }
}

template <class E, class R> void sum_block(const Direction& d, const Block<E, R>& block) noexcept {
  for (std::int64_t panel = block.first_panel; panel < block.last_panel; ++panel) {
    for_runs(d.rows, [&](const Run& rows) {
      for_runs(d.columns, [&](const Run& columns) { sum_rectangle(d, block, panel, rows, columns); });
    });
  }
}

// The source is stored as T and multiplied as E. `pack(group, first channel, channels, panel)`
// packs the weights of one panel: all taps and channels of the source are its rows.
template <class E, class T, class R, class Pack>
void convolve(LoopsBackend& device, const Direction& d, const T* source, R* result, bool accumulate, Pack pack) {
  constexpr bool kWiden = !std::is_same_v<T, E>;
  const Team team = device.team();
  const std::int64_t panels = d.panels<E>(), image_bytes = d.source_values() * static_cast<std::int64_t>(sizeof(E));
  if (d.images == 0 || panels == 0) return;
  const std::int64_t least_images = image_bytes <= kSmallImage ? kTileRows : 1;
  const std::int64_t block_images = smaller(d.images, larger(least_images, kBlockBytes / larger(1, image_bytes)));
  const std::int64_t blocks = ceil_div(d.images, block_images);
  // Of the panels. Each part widens its block again, where that is to be done.
  const std::int64_t parts = smaller(panels, ceil_div(kWiden ? kLeastTasks / 4 : kLeastTasks, blocks));

  const std::int64_t packed_values = aligned_count(panels * d.panel_values<E>());
  const std::int64_t wide_values = kWiden ? aligned_count(block_images * d.source_values()) : 0;
  const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(packed_values + team.count * wide_values) * sizeof(E));
  E* const packed = scratch.as<E>();
  parallel_tasks(team, panels, [=](std::int64_t index) {
    const Panel panel = Panel::at<E>(d, index);
    pack(panel.group, panel.left, panel.columns, packed + index * d.panel_values<E>());
  });
  parallel_tasks(team, blocks * parts, [=](std::int64_t index, int thread) {
    const std::int64_t part = index % parts, first = index / parts * block_images,
                       count = smaller(block_images, d.images - first);
    const T* const from = source + first * d.source_values();
    Block<E, R> block{.source = nullptr,
                      .result = result + first * d.result_values(),
                      .images = count,
                      .packed = packed,
                      .first_panel = panels * part / parts,
                      .last_panel = panels * (part + 1) / parts,
                      .accumulate = accumulate};
    if constexpr (kWiden) {
      E* const wide = packed + packed_values + thread * wide_values;
#pragma omp simd
      for (std::int64_t i = 0; i < count * d.source_values(); ++i) wide[i] = E(from[i]);
      block.source = wide;
    } else {
      block.source = from;
    }
    sum_block(d, block);
  });
}

// f.operator()<Stored, E, R>(d): the direction in elements. Pairs of bf16 are neighbouring
// channels.
template <class F> void with_direction(LoopsBackend& device, Dtype operand, Dtype result, const Direction& d, F f) {
  with_product_types(operand, result, [&]<class T, class R>() {
    with_elements<T>(device.pairs_bf16() && d.depth % 2 == 0, [&]<class Stored, class E>() {
      Direction in_elements = d;
      in_elements.depth /= static_cast<std::int64_t>(sizeof(Stored) / sizeof(T));
      f.template operator()<Stored, E, R>(in_elements);
    });
  });
}

}  // namespace

void run(LoopsBackend& device, const kernel::Conv2d& call) {
  if (is_depthwise(call.x.shape, call.w.shape, call.args)) return depthwise_conv2d(device, call);
  const Shape &x = call.x.shape, &w = call.w.shape, &y = call.y.shape;
  const auto axis = [&](int i) { return axis_of(y, x, w, call.args, false, i); };
  const std::int64_t groups = call.args.groups;
  const Direction sizes{axis(1), axis(2), x[0], x[3] / groups, y[3] / groups, groups};
  with_direction(device, call.x.dtype, call.y.dtype, sizes, [&]<class T, class E, class R>(const Direction& d) {
    const T* const weight = static_cast<const T*>(call.w.data);
    convolve<E>(device, d, static_cast<const T*>(call.x.data), static_cast<R*>(call.y.data), false,
                [=](std::int64_t group, std::int64_t left, std::int64_t columns, E* panel) {
                  const std::int64_t depth = d.taps() * d.depth;
                  pack_columns(weight + (group * d.width + left) * depth, depth, depth, columns, panel);
                });
  });
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
    convolve<E>(device, d, static_cast<const T*>(call.dy.data), static_cast<R*>(call.dx.data), call.args.accumulate,
                [=](std::int64_t group, std::int64_t left, std::int64_t columns, E* panel) {
                  for (std::int64_t tap = 0; tap < d.taps(); ++tap) {
                    pack_rows(weight + (group * sizes.depth * d.taps() + tap) * d.width + left, d.taps() * d.width, d.depth,
                              columns, panel + tap * d.depth * kTileColumns<E>);
                  }
                });
  });
}

void run(LoopsBackend& device, const kernel::Conv2dGradWeight& call);  // portable_weight_gradient.cpp

constinit const ConvolutionKernels portable_convolution_kernels = KernelsOf<LoopsBackend, ConvolutionKernels>::table;

}  // namespace mec::cpu::MEC_ISA
