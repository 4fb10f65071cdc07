// What Winograd's algorithm for 3x3 convolutions is made of; it takes a quarter of the products.
//
// Along one axis, m results y of r values g are correlated with the m + r − 1 source values d that
// they meet: y = Aᵀ[(G g) ∘ (Bᵀ d)], which are m + r − 1 products instead of m·r (Lavin and Gray
// 2016, eq. 8). Forward, there are four results of the three taps: F(4, 3). For the weight, the
// three taps are the results, of four values of dy: F(3, 4), with the same Bᵀ. That makes six
// products, in both axes 36 instead of 144. Each is summed over all channels, or pixels, before Aᵀ
// is applied: 36 products of matrices.
//
// The matrices evaluate and interpolate polynomials at 0, 1, −1, 1/2, −2 and infinity. The error is
// 3 times that of a direct sum (4.5 times with the more usual ±2 in place of 1/2 and −2).
#pragma once

#include "mec/tensor/backends/cpu/convolution_block.h"

namespace mec::cpu::MEC_ISA {

constexpr std::int64_t kWinogradResults = 4, kWinogradTaps = 3, kWinogradSources = kWinogradResults + kWinogradTaps - 1;
constexpr std::int64_t kWinogradProducts = kWinogradSources * kWinogradSources;

template <std::int64_t rows, std::int64_t columns> struct TransformMatrix {
  static constexpr std::int64_t kRows = rows, kColumns = columns;
  float at[rows][columns];
};

constexpr TransformMatrix<6, 6> kSourceTransform{{{1, -1.5F, -2, 1.5F, 1, 0},  // Bᵀ
                                                  {0, -1, 0.5F, 2.5F, 1, 0},
                                                  {0, 1, -2.5F, 0.5F, 1, 0},
                                                  {0, -2, -1, 2, 1, 0},
                                                  {0, 0.5F, -1, -0.5F, 1, 0},
                                                  {0, 1, -1.5F, -2, 1.5F, 1}}};
constexpr TransformMatrix<6, 3> kTapTransform{{{1, 0, 0},  // G of F(4, 3)
                                               {1 / 3.0F, 1 / 3.0F, 1 / 3.0F},
                                               {-1 / 3.0F, 1 / 3.0F, -1 / 3.0F},
                                               {-16 / 15.0F, -8 / 15.0F, -4 / 15.0F},
                                               {1 / 15.0F, -2 / 15.0F, 4 / 15.0F},
                                               {0, 0, 1}}};
constexpr TransformMatrix<4, 6> kResultTransform{{{1, 1, 1, 1, 1, 0},  // Aᵀ of F(4, 3)
                                                  {0, 1, -1, 0.5F, -2, 0},
                                                  {0, 1, 1, 0.25F, 4, 0},
                                                  {0, 1, -1, 0.125F, -8, 1}}};
constexpr TransformMatrix<6, 4> kGradientTransform{{{1, 0, 0, 0},  // G of F(3, 4)
                                                    {1 / 3.0F, 1 / 3.0F, 1 / 3.0F, 1 / 3.0F},
                                                    {-1 / 3.0F, 1 / 3.0F, -1 / 3.0F, 1 / 3.0F},
                                                    {-16 / 15.0F, -8 / 15.0F, -4 / 15.0F, -2 / 15.0F},
                                                    {1 / 15.0F, -2 / 15.0F, 4 / 15.0F, -8 / 15.0F},
                                                    {0, 0, 0, 1}}};
constexpr TransformMatrix<3, 6> kTapResultTransform{{{1, 1, 1, 1, 1, 0},  // Aᵀ of F(3, 4)
                                                     {0, 1, -1, 0.5F, -2, 0},
                                                     {0, 1, 1, 0.25F, 4, 1}}};

using Floats = Vector<float>::Values;
inline Floats load(const float* at) { return *reinterpret_cast<const Vector<float>::Anywhere*>(at); }
inline Floats load(const bf16* at) {
  typedef std::uint16_t Halves __attribute__((vector_size(kVectorBytes / 2), aligned(2), may_alias));
  typedef std::uint32_t Words __attribute__((vector_size(kVectorBytes)));
  return __builtin_bit_cast(Floats, __builtin_convertvector(*reinterpret_cast<const Halves*>(at), Words) << 16);
}
inline void store(float* at, Floats values) { *reinterpret_cast<Vector<float>::Anywhere*>(at) = values; }

// One axis: out[i·step] = Σ_j M[i][j]·in[j·step].
template <const auto& kMatrix>
inline __attribute__((always_inline)) void transform_axis(const Floats* in, std::int64_t in_step, Floats* out,
                                                          std::int64_t out_step) {
#pragma GCC unroll 6
  for (std::int64_t i = 0; i < kMatrix.kRows; ++i) {
    Floats sum{};
    bool first = true;
#pragma GCC unroll 6
    for (std::int64_t j = 0; j < kMatrix.kColumns; ++j) {
      const float factor = kMatrix.at[i][j];
      if (factor == 0) continue;
      const Floats value = in[j * in_step];
      if (first) sum = factor == 1 ? value : factor * value;
      else if (factor == 1) sum += value;
      else if (factor == -1) sum -= value;
      else sum += factor * value;
      first = false;
    }
    out[i * out_step] = sum;
  }
}

// Both axes of many squares of kColumns x kColumns values, a vector of them at a time: value i of
// square c is at(i)[c]; value i of the result is handed to put(i, c, vector).
template <const auto& kMatrix, class At, class Put>
inline __attribute__((always_inline)) void transform_squares(std::int64_t squares, At at, Put put) {
  constexpr std::int64_t kRows = kMatrix.kRows, kColumns = kMatrix.kColumns;
  for (std::int64_t c = 0; c < squares; c += kLanes<float>) {
    Floats in[kColumns * kColumns], half[kRows * kColumns], out[kRows * kRows];
#pragma GCC unroll 36
    for (std::int64_t i = 0; i < kColumns * kColumns; ++i) in[i] = load(at(i) + c);
#pragma GCC unroll 6
    for (std::int64_t j = 0; j < kColumns; ++j) transform_axis<kMatrix>(in + j, kColumns, half + j, kColumns);
#pragma GCC unroll 6
    for (std::int64_t i = 0; i < kRows; ++i) transform_axis<kMatrix>(half + i * kColumns, 1, out + i * kRows, 1);
#pragma GCC unroll 36
    for (std::int64_t i = 0; i < kRows * kRows; ++i) put(i, c, out[i]);
  }
}

// Tiles of one image.
inline std::int64_t winograd_tiles(const Direction& d) {
  return ceil_div(d.rows.result, kWinogradResults) * ceil_div(d.columns.result, kWinogradResults);
}

// Where a tile's results begin, and the sources that they meet.
struct WinogradTile {
  std::int64_t image, row, column, source_row, source_column;

  static WinogradTile at(const Direction& d, std::int64_t index) {
    const std::int64_t across = ceil_div(d.columns.result, kWinogradResults), in_image = index % winograd_tiles(d);
    const std::int64_t row = in_image / across * kWinogradResults, column = in_image % across * kWinogradResults;
    return {index / winograd_tiles(d), row, column, first_source(d.rows, row), first_source(d.columns, column)};
  }

 private:
  static std::int64_t first_source(const Axis& axis, std::int64_t result) {
    return axis.gradient ? result + axis.pad - (kWinogradTaps - 1) : result - axis.pad;
  }
};

// The pixels of a square of an image (rows,columns,channels), `zeros` for those beyond it.
template <std::int64_t kSide, class T> struct Square {
  const T* pixels[kSide * kSide];

  Square(const T* image, std::int64_t rows, std::int64_t columns, std::int64_t channels, std::int64_t top, std::int64_t left,
         const T* zeros) {
    for (std::int64_t i = 0; i < kSide; ++i) {
      for (std::int64_t j = 0; j < kSide; ++j) {
        const std::int64_t row = top + i, column = left + j;
        const bool within = row >= 0 && row < rows && column >= 0 && column < columns;
        pixels[i * kSide + j] = within ? image + (row * columns + column) * channels : zeros;
      }
    }
  }
};

// From where on this is faster than the direct sum: `saving` times fewer products (the direct sum
// leaves out the border, and tiles reach beyond it), and enough channels for the transforms to cost
// less than is saved.
struct WinogradLimits {
  std::int64_t saving, channels;
};
inline bool suits_winograd(const Direction& d, WinogradLimits least) {
  constexpr std::int64_t kLeastTiles = 48;  // below, transforming the weights costs too much
  const auto suits = [](const Axis& axis) {
    return axis.taps == kWinogradTaps && axis.stride == 1 && axis.dilation == 1 && axis.pad < kWinogradTaps;
  };
  if (!suits(d.rows) || !suits(d.columns) || d.groups != 1) return false;
  if (d.depth % 16 != 0 || d.width % 16 != 0 || smaller(d.depth, d.width) < least.channels) return false;
  const auto met = [](const Axis& axis) {
    std::int64_t taps = 0;
    for (std::int64_t r = 0; r < axis.result; ++r) taps += taps_of(axis, r).count;
    return taps;
  };
  const std::int64_t tiles = winograd_tiles(d);
  return d.images * tiles >= kLeastTiles && met(d.rows) * met(d.columns) >= least.saving * kWinogradProducts * tiles;
}
// Measured (docs/convolution_on_cpus.md): in f32, and where the direct sum takes bf16 in pairs,
// which this does not.
constexpr WinogradLimits kLeastInFloats{.saving = 2, .channels = 32};
constexpr WinogradLimits kLeastOverPairs{.saving = 3, .channels = 32}, kLeastForWeightOverPairs{.saving = 2, .channels = 64};

// The 36 matrices lie a little more than a power of two apart: otherwise all 36 would share a few
// lines of the cache.
constexpr std::int64_t kApart = 16;

}  // namespace mec::cpu::MEC_ISA
