// The gradient of a convolution's weight without a library: for each tap a product whose inner
// dimension runs over the pixels of all images. Rows are channels of x (or, of images with few
// channels, taps and channels), columns are channels of y.
#include "mec/tensor/backends/cpu/depthwise.h"
#include "mec/tensor/backends/cpu/weight_gradient_blocks.h"
#include "mec/tensor/backends/cpu/winograd_weight_gradient.h"

namespace mec::cpu::MEC_ISA {
namespace {

constexpr std::int64_t kBlockBytes = 256 << 10;  // of x and dy: a second-level cache holds them
constexpr std::int64_t kMostTasks = 64;
// Each part of the images has sums of its own, of all weights. There is more than one part only
// where all of them together take no more than this.
constexpr std::int64_t kSumBytes = 2 << 20;
constexpr std::int64_t kMostStretches = 64;
constexpr std::int64_t kWide = 64;  // channels of a pixel

// Reads the block's rows of x, so that the cache has them. The product meets them one slice at a
// time, in steps of a pixel: memory is slower then, and prefetch instructions do not help.
template <class E> void touch(const Conv<E>& conv, const Block<E>& block) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(E));
  const Range rows = conv.reached(block.rows);
  for (std::int64_t image = 0; image < block.images; ++image) {
    const volatile E* const from = block.x + (image * conv.h + rows.begin) * conv.w * conv.c;
    for (std::int64_t i = 0; i < rows.size() * conv.w * conv.c; i += kLine) static_cast<void>(from[i]);
  }
}

// A panel: its part of dy, and its sums, (Kh·Kw·C/groups, panel_width), of which `columns` count.
template <class E> struct Panel {
  std::int64_t group, columns;
  const E* dy;
  Sum<E>* sums;
};

// The rows of a tile are `count` rows of a panel's sums from `first` on.
struct TileRows {
  std::int64_t first, count;
};

// Adds to the sums of a tile: over all images of the block, the output rows `rows`, and elements
// `columns` of each. `origin`: where in x the window of output position (0,0) has the rows' tap.
template <class E>
void add_tile(const Conv<E>& conv, const Block<E>& block, const Panel<E>& panel, TileTask<E>& task, TileRows tile_rows,
              Range rows, Range columns, std::int64_t origin) {
  if (columns.size() <= 0) return;
  const Steps &x = block.x_steps, &dy = block.dy_steps;
  Stretch stretches[kMostStretches];
  task.left_step = Conv<E>::kNeighbours * conv.stride / conv.copied_step() * x.column;
  task.right = panel.dy;
  task.right_step = dy.column;
  task.stretches = stretches;
  task.count = 0;
  const auto flush = [&] {
    Tile2d<Sum<E>> tile;
    sum_tile(task, panel.columns, tile);
    for (std::int64_t r = 0; r < tile_rows.count; ++r) {
      store_row(tile.at[r], panel.sums + (tile_rows.first + r) * conv.panel_width(), panel.columns, true);
    }
    task.count = 0;
  };
  const std::int64_t first = larger(rows.begin, block.rows.begin), end = smaller(rows.end, block.rows.end);
  for (std::int64_t image = 0; image < block.images; ++image) {
    for (std::int64_t i = first; i < end; ++i) {
      const Stretch next{image * x.image + i * conv.stride * x.row + columns.begin * task.left_step + origin,
                         image * dy.image + (i - block.dy_first_row) * dy.row + columns.begin * dy.column, columns.size()};
      Stretch& last = stretches[larger(0, task.count - 1)];
      if (task.count > 0 && last.left + last.depth * task.left_step == next.left &&
          last.right + last.depth * task.right_step == next.right) {
        last.depth += next.depth;  // rows of 1x1 convolutions follow each other in memory
        continue;
      }
      if (task.count == kMostStretches) flush();
      stretches[task.count++] = next;
    }
  }
  if (task.count > 0) flush();
}

// Adds the block's contribution to the sums of one panel. Rows of a tile are channels of one tap,
// which is met by all output positions but some at the borders.
template <class E> void add_panel(const Conv<E>& conv, const Block<E>& block, const Panel<E>& panel) {
  TileTask<E> task{.rows = {}, .left_step = 0, .right = nullptr, .right_step = 0, .stretches = nullptr, .count = 0};
  const Steps& x = block.x_steps;
  for (std::int64_t slice = 0; slice < conv.slices(); ++slice) {
    const std::int64_t channels = smaller(kTileRows, conv.group_c() - slice * kTileRows);
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      task.rows[r] = block.x + panel.group * block.x_group + slice * x.part + smaller(r, channels - 1);
    }
    for (std::int64_t tap = 0; tap < conv.taps(); ++tap) {
      const std::int64_t p = tap / conv.kw, q = tap % conv.kw;
      const std::int64_t origin = (p * conv.dilation - conv.pad - block.x_first_row) * x.row +
                                  (q * conv.dilation - conv.pad + block.x_border) * x.column;
      const Range columns = Conv<E>::kNeighbours == 1 ? meeting(conv.columns(), q) : Range{0, conv.out_elements()};
      add_tile(conv, block, panel, task, {tap * conv.group_c() + slice * kTileRows, channels}, meeting(conv.rows(), p), columns,
               origin);
    }
  }
}

// The same for few channels: rows of a tile are taps and channels, and the border makes all output
// positions meet all taps.
template <class E> void add_panel_of_few(const Conv<E>& conv, const Block<E>& block, const Panel<E>& panel) {
  TileTask<E> task{.rows = {}, .left_step = 0, .right = nullptr, .right_step = 0, .stretches = nullptr, .count = 0};
  const std::int64_t rows = conv.depth();
  for (std::int64_t top = 0; top < rows; top += kTileRows) {
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      const std::int64_t row = smaller(top + r, rows - 1), tap = row / conv.c;
      task.rows[r] = block.x + (tap / conv.kw * block.x_steps.row + tap % conv.kw * conv.c) * conv.dilation + row % conv.c;
    }
    add_tile(conv, block, panel, task, {top, smaller(kTileRows, rows - top)}, {0, conv.out_h}, {0, conv.out_w}, 0);
  }
}

// dw = Σ over parts of sums[part][panel][k][column], or added to dw: (O, Kh·Kw·C/groups).
template <class E, class R>
void add_parts(Team team, const Conv<E>& conv, const Sum<E>* sums, std::int64_t parts, R* dw, bool accumulate) {
  using A = Sum<E>;
  constexpr std::int64_t kAtOnce = 16;
  const std::int64_t depth = conv.depth(), width = conv.panel_width(), pieces = ceil_div(depth, kAtOnce);
  parallel_tasks(team, conv.panels() * pieces, [=](std::int64_t task) {
    const std::int64_t panel = task / pieces, top = task % pieces * kAtOnce, count = smaller(kAtOnce, depth - top);
    A total[kAtOnce * kTileColumns<E>] = {};
    for (std::int64_t part = 0; part < parts; ++part) {
      const A* const from = sums + part * conv.sum_values() + (panel * depth + top) * width;
#pragma omp simd
      for (std::int64_t i = 0; i < count * width; ++i) total[i] += from[i];
    }
    R* const to = dw + conv.panel_channel(panel) * depth + top;
    for (std::int64_t column = 0; column < conv.panel_columns(panel); ++column) {
      for (std::int64_t k = 0; k < count; ++k) {
        R& y = to[column * depth + k];
        put(y, total[k * width + column] + (accumulate ? A(y) : A(0)));
      }
    }
  });
}

// How the work is cut, by sizes alone. Tasks share the images: each part of them has sums of its
// own. Where so many weights would take too much memory in this way, tasks share the panels, too.
template <class T, class E> struct Cut {
  std::int64_t parts, sections;
  std::int64_t block_images, block_rows;
  std::int64_t x_values = 0, dy_values = 0;  // of the copies of a block

  explicit Cut(const Conv<E>& conv) {
    const std::int64_t sum_bytes = larger(1, conv.sum_values() * static_cast<std::int64_t>(sizeof(Sum<E>)));
    parts = larger(1, smaller(smaller(kMostTasks, conv.n), kSumBytes / sum_bytes));
    sections = larger(1, smaller(conv.panels(), kMostTasks / parts));
    const std::int64_t panels = ceil_div(conv.panels(), sections);

    const std::int64_t x_row = conv.copied_w() * conv.groups * conv.slices() * kTileRows;
    const std::int64_t dy_row = panels * conv.out_elements() * conv.panel_width();
    const std::int64_t row_bytes = larger(1, (conv.stride * x_row + dy_row) * static_cast<std::int64_t>(sizeof(E)));
    const std::int64_t rows = larger(1, kBlockBytes / row_bytes);
    block_images = larger(1, smaller(ceil_div(conv.n, parts), rows / larger(1, conv.out_h)));
    block_rows = few_channels(conv) ? conv.out_h : larger(1, smaller(rows, conv.out_h));

    if (few_channels(conv)) {
      x_values = aligned_count(block_images * (conv.h + 2 * conv.pad) * (conv.w + 2 * conv.pad) * conv.c);
    } else if (copies_x<T>(conv)) {
      const std::int64_t most = smaller(conv.h, (block_rows - 1) * conv.stride + conv.dilation * (conv.kh - 1) + 1);
      x_values = aligned_count(conv.c) + aligned_count(block_images * most * x_row);
    }
    if (copies_dy<T>(conv)) dy_values = aligned_count(block_images * block_rows * dy_row);
  }
};

// A task: the images of a part and the panels of a section. `copies` is memory for a block.
template <class T, class E>
void add_part(const Conv<E>& conv, const Cut<T, E>& cut, const T* x, const T* dy, Range images, Range panels, E* copies,
              Sum<E>* sums) noexcept {
  std::memset(static_cast<void*>(sums), 0, static_cast<std::size_t>(panels.size() * conv.panel_values()) * sizeof(Sum<E>));
  for (std::int64_t image = images.begin; image < images.end; image += cut.block_images) {
    const T* const block_x = x + image * conv.h * conv.w * conv.c;
    const T* const block_dy = dy + image * conv.out_h * conv.out_w * conv.o;
    for (std::int64_t row = 0; row < conv.out_h; row += cut.block_rows) {
      Block<E> block{.images = smaller(cut.block_images, images.end - image),
                     .rows = {row, smaller(row + cut.block_rows, conv.out_h)},
                     .x = nullptr,
                     .dy = nullptr,
                     .x_steps = {kTileRows, conv.h * conv.w * conv.c, conv.w * conv.c, conv.c},
                     .dy_steps = {0, conv.out_h * conv.out_w * conv.o, conv.out_w * conv.o, conv.o},
                     .x_group = conv.group_c(),
                     .x_first_row = 0,
                     .x_border = 0,
                     .dy_first_row = 0};
      if constexpr (std::is_same_v<T, E>) {
        block.x = block_x;
        block.dy = block_dy;
      }
      if constexpr (Conv<E>::kNeighbours == 1) {
        if (few_channels(conv)) copy_bordered(conv, block_x, block, copies);
      }
      if (!few_channels(conv) && copies_x<T>(conv)) copy_slices(conv, block_x, block, copies);
      else if (!copies_x<T>(conv) && conv.c >= kWide) touch(conv, block);
      if (copies_dy<T>(conv)) copy_panels(conv, block_dy, panels, block, copies + cut.x_values);
      for (std::int64_t index = panels.begin; index < panels.end; ++index) {
        const std::int64_t offset =
            copies_dy<T>(conv) ? (index - panels.begin) * block.dy_steps.part : conv.panel_channel(index);
        const Panel<E> panel{.group = index / conv.panels_of_group(),
                             .columns = conv.panel_columns(index),
                             .dy = block.dy + offset,
                             .sums = sums + (index - panels.begin) * conv.panel_values()};
        if (few_channels(conv)) add_panel_of_few(conv, block, panel);
        else add_panel(conv, block, panel);
      }
    }
  }
}

template <class E, class T, class R> void weight_gradient(LoopsBackend& device, const kernel::Conv2dGradWeight& call) {
  const Conv<E> conv(call.x.shape, call.dw.shape, call.dy.shape, call.args);
  const Cut<T, E> cut(conv);
  const Team team = device.team();
  const std::int64_t all_sums = aligned_count(cut.parts * conv.sum_values()), copy_values = cut.x_values + cut.dy_values;
  const auto sum_bytes = static_cast<std::size_t>(all_sums) * sizeof(Sum<E>);
  const CpuBackend::Scratch scratch(device, sum_bytes + static_cast<std::size_t>(team.count * copy_values) * sizeof(E));
  auto* const sums = scratch.as<Sum<E>>();
  E* const copies = reinterpret_cast<E*>(scratch.data() + sum_bytes);
  const T* const x = static_cast<const T*>(call.x.data);
  const T* const dy = static_cast<const T*>(call.dy.data);
  parallel_tasks(team, cut.parts * cut.sections, [=](std::int64_t task, int thread) {
    const std::int64_t part = task / cut.sections, section = task % cut.sections;
    const Range images{conv.n * part / cut.parts, conv.n * (part + 1) / cut.parts};
    const Range panels{conv.panels() * section / cut.sections, conv.panels() * (section + 1) / cut.sections};
    add_part(conv, cut, x, dy, images, panels, copies + thread * copy_values,
             sums + part * conv.sum_values() + panels.begin * conv.panel_values());
  });
  add_parts(team, conv, sums, cut.parts, static_cast<R*>(call.dw.data), call.args.accumulate);
}

}  // namespace

void run(LoopsBackend& device, const kernel::Conv2dGradWeight& call) {
  if (is_depthwise(call.x.shape, call.dw.shape, call.args)) return depthwise_grad_weight(device, call);
  if (winograd_grad_weight(device, call)) return;
  const bool pairs = device.pairs_bf16() && !few_channels(call.args.groups, call.x.shape[3]);
  with_product_types(call.x.dtype, call.dw.dtype, [&]<class T, class R>() {
    with_elements<T>(pairs, [&]<class Stored, class E>() { weight_gradient<E, T, R>(device, call); });
  });
}

}  // namespace mec::cpu::MEC_ISA
