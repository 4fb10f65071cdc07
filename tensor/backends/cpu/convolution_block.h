// What one task of a convolution, or of the gradient of its input, works on.
#pragma once

#include "mec/tensor/backends/cpu/tile_product.h"
#include "mec/tensor/backends/cpu/window_runs.h"
#include "mec/tensor/functors.h"

namespace mec::cpu::MEC_ISA {

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

// What becomes of a sum. It is stored, or added to the result. Or, where there is a scale, batch
// norm follows: ReLU(scale·sum + shift + add), with a scale and a shift for each channel.
template <class S, class R> struct Storing {
  bool accumulate = false;
  const S *scale = nullptr, *shift = nullptr;
  const R* add = nullptr;  // laid out as the result; may be null
  bool relu = false;
};

// What one task works on: some images, from `source` to `result`, and the weights of some panels.
template <class E, class R> struct Block {
  const E* source;
  R* result;
  std::int64_t images;
  const E* packed;
  std::int64_t first_packed;  // the panel that `packed` begins with
  Range panels;               // to be summed
  Storing<Sum<E>, R> storing;

  const E* weights(std::int64_t panel, std::int64_t panel_values) const {
    return packed + (panel - first_packed) * panel_values;
  }
};

// The sums of `columns` neighbouring channels, from `channel` on, of the pixel whose results are y.
template <class E, class R>
void store_results(const Block<E, R>& block, const Sum<E>* sums, std::int64_t channel, std::int64_t columns, R* y) noexcept {
  using S = Sum<E>;
  const Storing<S, R>& storing = block.storing;
  if (!storing.scale) return store_row(sums, y, columns, storing.accumulate);
  S values[kTileColumns<E>];
#pragma omp simd
  for (std::int64_t c = 0; c < columns; ++c) {
    values[c] = functor::ChannelAffine<S>{storing.scale[channel + c], storing.shift[channel + c]}(sums[c]);
  }
  if (storing.add) {
    const R* const add = storing.add + (y - block.result);
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) values[c] += S(add[c]);
  }
  if (storing.relu) {
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) values[c] = functor::Relu::value(values[c]);
  }
  store_row(values, y, columns, false);
}

}  // namespace mec::cpu::MEC_ISA
