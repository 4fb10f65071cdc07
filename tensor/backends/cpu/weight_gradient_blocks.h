// What the weight gradient of a convolution reads. The output is taken in blocks, which the cache
// holds. Where the product cannot read x or dy in place, it reads a copy of the block: x in slices
// of as many channels as a tile has rows, dy in panels of as many as it has columns. Pairs of bf16
// are made in such copies: of neighbouring columns of dy, and of the two columns of x that these
// meet under the same tap.
#pragma once

#include <cstring>

#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/tile_product.h"
#include "mec/tensor/backends/cpu/window_runs.h"

namespace mec::cpu::MEC_ISA {

// Sizes of a convolution; the letters of kernels/convolution.h.
template <class E> struct Conv {
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
  std::int64_t depth() const { return taps() * group_c(); }               // weights of an output channel
  std::int64_t slices() const { return ceil_div(group_c(), kTileRows); }  // of a group

  // Panels, each of one group.
  std::int64_t panel_width() const { return group_o() <= kLanes<E> ? kLanes<E> : kTileColumns<E>; }
  std::int64_t panels_of_group() const { return ceil_div(group_o(), panel_width()); }
  std::int64_t panels() const { return groups * panels_of_group(); }
  std::int64_t panel_left(std::int64_t panel) const { return panel % panels_of_group() * panel_width(); }
  std::int64_t panel_columns(std::int64_t panel) const { return smaller(panel_width(), group_o() - panel_left(panel)); }
  std::int64_t panel_channel(std::int64_t panel) const {  // its first
    return panel / panels_of_group() * group_o() + panel_left(panel);
  }
  std::int64_t panel_values() const { return depth() * panel_width(); }
  std::int64_t sum_values() const { return panels() * panel_values(); }

  // Output columns of an element, and elements of an output row.
  static constexpr std::int64_t kNeighbours = std::is_same_v<E, Bf16Pair> ? 2 : 1;
  std::int64_t out_elements() const { return ceil_div(out_w, kNeighbours); }
  // Columns of a copied row of x, and how far apart they are. Pairs are of all columns that any
  // window reaches, so that each output column meets all taps.
  std::int64_t copied_step() const { return kNeighbours == 2 && kw == 1 ? 2 * stride : 1; }
  std::int64_t copied_w() const {
    if (kNeighbours == 1) return w;
    return ((out_elements() - 1) * 2 * stride + dilation * (kw - 1)) / copied_step() + 1;
  }

  Axis rows() const { return {out_h, h, kh, stride, pad, dilation, false}; }
  Axis columns() const { return {out_w, w, kw, stride, pad, dilation, false}; }
  // Rows of x that the windows of these output rows reach.
  Range reached(Range out_rows) const {
    return {larger(0, out_rows.begin * stride - pad),
            larger(0, smaller(h, (out_rows.end - 1) * stride - pad + dilation * (kh - 1) + 1))};
  }
};

// How many values lie between an element and the one of the next slice or panel, image, row and
// column.
struct Steps {
  std::int64_t part, image, row, column;
};

// Some output rows of some images, as the product reads them. Of few channels, all of x, within a
// border of zeros.
template <class E> struct Block {
  std::int64_t images;
  Range rows;  // of the output
  const E *x, *dy;
  Steps x_steps, dy_steps;
  std::int64_t x_group;                              // elements between groups of x
  std::int64_t x_first_row, x_border, dy_first_row;  // where x begins: a row, and columns before the image
};

// Too few for slices, and so for pairs.
inline bool few_channels(std::int64_t groups, std::int64_t channels) { return groups == 1 && channels < kTileRows; }
template <class E> bool few_channels(const Conv<E>& conv) { return few_channels(conv.groups, conv.c); }
template <class T, class E> bool copies_x(const Conv<E>& conv) { return !std::is_same_v<T, E> || few_channels(conv); }
template <class T, class E> bool copies_dy(const Conv<E>& conv) {
  return !std::is_same_v<T, E> || conv.group_o() % kLanes<E> != 0;  // whole vectors are read
}

template <class T, class E> void copy_bordered(const Conv<E>& conv, const T* x, Block<E>& block, E* to) {
  const std::int64_t row_step = (conv.w + 2 * conv.pad) * conv.c, image_step = (conv.h + 2 * conv.pad) * row_step;
  block.x = to;
  block.x_steps = {0, image_step, row_step, conv.c};
  std::memset(static_cast<void*>(to), 0, static_cast<std::size_t>(block.images * image_step) * sizeof(E));
  for (std::int64_t row = 0; row < block.images * conv.h; ++row) {
    E* const inside = to + row / conv.h * image_step + (row % conv.h + conv.pad) * row_step + conv.pad * conv.c;
    for (std::int64_t i = 0; i < conv.w * conv.c; ++i) inside[i] = E(x[row * conv.w * conv.c + i]);
  }
}

// One column of a row of x, all of its slices: elements of x, or pairs of it and another column.
template <class T, class E> void copy_channels(const T* from, const T*, std::int64_t channels, E* to) {
  for (std::int64_t i = 0; i < channels; ++i) to[i] = E(from[i]);
}
inline void copy_channels(const bf16* first, const bf16* second, std::int64_t channels, Bf16Pair* to) {
  pair_up(first, second, channels, to);
}
template <class T, class E>
void copy_column(const Conv<E>& conv, const T* first, const T* second, std::int64_t slice_step, E* to) {
  for (std::int64_t group = 0; group < conv.groups; ++group) {
    std::int64_t left = 0;
    for (; left + kTileRows <= conv.group_c(); left += kTileRows, to += slice_step) {
      copy_channels(first + group * conv.group_c() + left, second + group * conv.group_c() + left, kTileRows, to);
    }
    if (left == conv.group_c()) continue;
    copy_channels(first + group * conv.group_c() + left, second + group * conv.group_c() + left, conv.group_c() - left, to);
    to += slice_step;
  }
}

template <class T, class E> void copy_slices(const Conv<E>& conv, const T* x, Block<E>& block, E* to) {
  const Range rows = conv.reached(block.rows);
  const std::int64_t row_step = conv.copied_w() * kTileRows, slice_step = block.images * rows.size() * row_step;
  const T* const zeros = reinterpret_cast<const T*>(to);  // a column outside of the image
  std::memset(static_cast<void*>(to), 0, static_cast<std::size_t>(conv.c) * sizeof(E));
  to += aligned_count(conv.c);
  block.x = to;
  block.x_steps = {slice_step, rows.size() * row_step, row_step, kTileRows};
  block.x_group = conv.slices() * slice_step;
  block.x_first_row = rows.begin;
  block.x_border = conv.kNeighbours == 1 ? 0 : conv.pad;
  for (std::int64_t image = 0; image < block.images; ++image) {
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const T* const from = x + (image * conv.h + row) * conv.w * conv.c;
      for (std::int64_t i = 0; i < conv.copied_w(); ++i, to += kTileRows) {
        const std::int64_t column = i * conv.copied_step() - block.x_border;
        const auto at = [&](std::int64_t j) { return j >= 0 && j < conv.w ? from + j * conv.c : zeros; };
        copy_column(conv, at(column), at(column + conv.stride), slice_step, to);
      }
    }
  }
}

// One row of dy, `columns` channels of it.
template <class T, class E> void copy_dy_row(const Conv<E>& conv, const T* from, std::int64_t columns, E* to) {
  const std::int64_t width = conv.panel_width();
  for (std::int64_t j = 0; j < conv.out_w; ++j, from += conv.o, to += width) {
#pragma omp simd
    for (std::int64_t i = 0; i < columns; ++i) to[i] = E(from[i]);
    for (std::int64_t i = columns; i < width; ++i) to[i] = E{};
  }
}
inline void copy_dy_row(const Conv<Bf16Pair>& conv, const bf16* from, std::int64_t columns, Bf16Pair* to) {
  static constexpr bf16 kZeros[kTileColumns<Bf16Pair>] = {};
  const std::int64_t width = conv.panel_width();
  for (std::int64_t j = 0; j < conv.out_w; j += 2, from += 2 * conv.o, to += width) {
    pair_up(from, j + 1 < conv.out_w ? from + conv.o : kZeros, columns, to);
    for (std::int64_t i = columns; i < width; ++i) to[i] = {};
  }
}

template <class T, class E> void copy_panels(const Conv<E>& conv, const T* dy, Range panels, Block<E>& block, E* to) {
  const std::int64_t width = conv.panel_width(), row_step = conv.out_elements() * width;
  block.dy = to;
  block.dy_steps = {block.images * block.rows.size() * row_step, block.rows.size() * row_step, row_step, width};
  block.dy_first_row = block.rows.begin;
  for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
    for (std::int64_t image = 0; image < block.images; ++image) {
      const T* const from = dy + image * conv.out_h * conv.out_w * conv.o + conv.panel_channel(panel);
      for (std::int64_t row = block.rows.begin; row < block.rows.end; ++row, to += row_step) {
        copy_dy_row(conv, from + row * conv.out_w * conv.o, conv.panel_columns(panel), to);
      }
    }
  }
}

}  // namespace mec::cpu::MEC_ISA
