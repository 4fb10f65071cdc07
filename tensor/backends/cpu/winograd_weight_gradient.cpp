// The gradient of a 3x3 convolution's weight by Winograd's algorithm (winograd.h). The inner
// dimension of its 36 products are the tiles of all images: some of them at a time, first all are
// transformed, then multiplied and added to the sums of all weights.
#include "mec/tensor/backends/cpu/winograd_weight_gradient.h"

#include "mec/tensor/backends/cpu/winograd.h"

namespace mec::cpu::MEC_ISA {
namespace {

constexpr std::int64_t kTransformedBytes = 3 << 20;  // of x and dy at a time: a third-level cache holds them,
constexpr std::int64_t kLeastAtOnce = 64;            // but so many tiles that adding to the sums costs little
constexpr std::int64_t kSumBytes = 4 << 20;          // columns of x are taken in sections that need no more
constexpr std::int64_t kFloat = sizeof(float);

// Columns are channels of x, in panels; rows are channels of dy.
struct Sizes {
  Direction d;  // forward
  std::int64_t tiles, at_once;
  std::int64_t all_panels, panels;  // of a section

  explicit Sizes(const Direction& direction) : d(direction), tiles(d.images * winograd_tiles(d)) {
    const std::int64_t tile_bytes = kWinogradProducts * (d.depth + d.width) * kFloat;
    at_once = smaller(tiles, larger(kLeastAtOnce, kTransformedBytes / tile_bytes));
    all_panels = ceil_div(d.depth, kTileColumns<float>);
    panels = smaller(all_panels, larger(1, kSumBytes / (kWinogradProducts * d.width * kTileColumns<float> * kFloat)));
  }
  // x[product][panel][tile][column], dy[product][tile][row], sums[product][panel][row][column]
  std::int64_t panel_step() const { return at_once * kTileColumns<float>; }
  std::int64_t x_step() const { return panels * panel_step() + kApart; }
  std::int64_t dy_step() const { return at_once * d.width + kApart; }
  std::int64_t sum_step() const { return panels * d.width * kTileColumns<float> + kApart; }
  std::int64_t zeros() const { return aligned_count(larger(d.depth, d.width)); }
  std::int64_t values() const { return kWinogradProducts * (x_step() + dy_step() + sum_step()) + zeros(); }
  std::int64_t columns_of(std::int64_t panel) const {
    return smaller(kTileColumns<float>, d.depth - panel * kTileColumns<float>);
  }
};

// The channels of some panels of a tile of x.
template <class T>
void transform_x(const Sizes& s, const T* x, const T* zeros, const WinogradTile& tile, Range panels, float* to) noexcept {
  const Direction& d = s.d;
  const Square<kWinogradSources, T> sources(x + tile.image * d.source_values(), d.rows.source, d.columns.source, d.depth,
                                            tile.source_row, tile.source_column, zeros);
  for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
    transform_squares<kSourceTransform>(
        s.columns_of(panel), [&](std::int64_t i) { return sources.pixels[i] + panel * kTileColumns<float>; },
        [&](std::int64_t i, std::int64_t c, Floats values) {
          store(to + i * s.x_step() + (panel - panels.begin) * s.panel_step() + c, values);
        });
  }
}

template <class T>
void transform_dy(const Sizes& s, const T* dy, const T* zeros, const WinogradTile& tile, float* to) noexcept {
  const Direction& d = s.d;
  const Square<kWinogradResults, T> gradients(dy + tile.image * d.result_values(), d.rows.result, d.columns.result, d.width,
                                              tile.row, tile.column, zeros);
  transform_squares<kGradientTransform>(
      d.width, [&](std::int64_t i) { return gradients.pixels[i]; },
      [&](std::int64_t i, std::int64_t c, Floats values) { store(to + i * s.dy_step() + c, values); });
}

// The sums of one product and panel, over `count` tiles.
void add_product(const Sizes& s, const float* x, const float* dy, std::int64_t columns, std::int64_t count, bool accumulate,
                 float* sums) noexcept {
  const Stretch all{0, 0, count};
  TileTask<float> task{
      .rows = {}, .left_step = s.d.width, .right = x, .right_step = kTileColumns<float>, .stretches = &all, .count = 1};
  for (std::int64_t top = 0; top < s.d.width; top += kTileRows) {
    const std::int64_t rows = smaller(kTileRows, s.d.width - top);
    for (std::int64_t r = 0; r < kTileRows; ++r) task.rows[r] = dy + top + smaller(r, rows - 1);
    Tile2d<float> tile;
    sum_tile(task, columns, tile);
    for (std::int64_t r = 0; r < rows; ++r) {
      store_row(tile.at[r], sums + (top + r) * kTileColumns<float>, columns, accumulate);
    }
  }
}

// The weights (O,3,3,C) of one row and panel from their 36 sums.
template <class R>
void transform_weights(const Sizes& s, const float* sums, std::int64_t row, std::int64_t panel, R* dw,
                       bool accumulate) noexcept {
  constexpr std::int64_t kTaps = kWinogradTaps * kWinogradTaps;
  float taps[kTaps][kTileColumns<float>];
  transform_squares<kTapResultTransform>(
      s.columns_of(panel), [&](std::int64_t i) { return sums + i * s.sum_step(); },
      [&](std::int64_t i, std::int64_t c, Floats values) { store(taps[i] + c, values); });
  for (std::int64_t tap = 0; tap < kTaps; ++tap) {
    store_row(taps[tap], dw + (row * kTaps + tap) * s.d.depth + panel * kTileColumns<float>, s.columns_of(panel), accumulate);
  }
}

template <class T, class R>
void weight_gradient(LoopsBackend& device, const Sizes& s, const T* x, const T* dy, R* dw, bool accumulate) {
  const Team team = device.team();
  const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(s.values() * kFloat));
  float* const sums = scratch.as<float>();
  float* const x_tiles = sums + kWinogradProducts * s.sum_step();
  float* const dy_tiles = x_tiles + kWinogradProducts * s.x_step();
  float* const zeros = dy_tiles + kWinogradProducts * s.dy_step();  // as bf16, too
  for (std::int64_t i = 0; i < s.zeros(); ++i) zeros[i] = 0;
  for (std::int64_t left = 0; left < s.all_panels; left += s.panels) {
    const Range panels{left, smaller(s.all_panels, left + s.panels)};
    for (std::int64_t first = 0; first < s.tiles; first += s.at_once) {
      const std::int64_t count = smaller(s.at_once, s.tiles - first);
      const bool has_dy = left > 0 && s.tiles == s.at_once;  // from the first section
      parallel_tasks(team, count, [=](std::int64_t t) {
        const T* const beyond = reinterpret_cast<const T*>(zeros);
        const WinogradTile tile = WinogradTile::at(s.d, first + t);
        transform_x(s, x, beyond, tile, panels, x_tiles + t * kTileColumns<float>);
        if (!has_dy) transform_dy(s, dy, beyond, tile, dy_tiles + t * s.d.width);
      });
      parallel_tasks(team, kWinogradProducts * panels.size(), [=](std::int64_t task) {
        const std::int64_t product = task / panels.size(), panel = task % panels.size();
        add_product(s, x_tiles + product * s.x_step() + panel * s.panel_step(), dy_tiles + product * s.dy_step(),
                    s.columns_of(panels.begin + panel), count, first > 0,
                    sums + product * s.sum_step() + panel * s.d.width * kTileColumns<float>);
      });
    }
    parallel_tasks(team, s.d.width, [=](std::int64_t row) {
      for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
        transform_weights(s, sums + ((panel - panels.begin) * s.d.width + row) * kTileColumns<float>, row, panel, dw,
                          accumulate);
      }
    });
  }
}

}  // namespace

bool winograd_grad_weight(LoopsBackend& device, const kernel::Conv2dGradWeight& call) {
  const Shape &x = call.x.shape, &w = call.dw.shape, &y = call.dy.shape;
  const auto axis = [&](int i) { return axis_of(y, x, w, call.args, false, i); };
  const std::int64_t groups = call.args.groups;
  const Direction d{axis(1), axis(2), x[0], x[3] / groups, y[3] / groups, groups};
  const bool pairs = device.pairs_bf16() && call.x.dtype == Dtype::bf16;
  if (call.x.dtype == Dtype::f64 || !suits_winograd(d, pairs ? kLeastForWeightOverPairs : kLeastInFloats)) return false;
  with_product_types(call.x.dtype, call.dw.dtype, [&]<class T, class R>() {
    if constexpr (!std::is_same_v<T, double>) {
      weight_gradient(device, Sizes(d), static_cast<const T*>(call.x.data), static_cast<const T*>(call.dy.data),
                      static_cast<R*>(call.dw.data), call.args.accumulate);
    }
  });
  return true;
}

}  // namespace mec::cpu::MEC_ISA
