// The views of a batch, made from uint8 images by three kernels:
//   resize  the crop, antialiased; the colour operations before contrast, and the sums of the gray
//           that contrast needs
//   color   contrast and what follows, gray; blur along the rows. Views that are not blurred end
//           here
//   blur    blur down the columns
// The last one for a view also solarises, mirrors, normalises and writes. The arithmetic is that of
// data/augment: the same functions (tensor/pixels.h), and sums over the same values in the same
// order, but for the mean gray.
#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"
#include "mec/tensor/pixels.h"

namespace mec::cuda::MEC_SIMT {
namespace {

using pixel::TriangleFilter;

// The tile of outputs that a block of kBlock threads makes.
constexpr int kTileWidth = 32, kTileHeight = 8;
// Most taps of a filter down the columns.
constexpr int kRowTaps = TriangleFilter::most(kernel::MakeViews::kMostShrinking, 1);
// Taps of a filter along the rows that a block holds at a time.
constexpr int kColumnTaps = 64;
// Colours that a block of the second kernel keeps in shared memory, with the margins that a blur
// needs: either one piece of a row, or several short rows of kBlock pixels together. A blur's
// radius is less than the width of a row.
constexpr int kLine = kBlock + 2 * kernel::MakeViews::kMostBlur;
constexpr int kBlurTurns = 4;  // tiles, one below the other, for a block of the third
// A group has as many images as fill the device this many times. What one kernel leaves for the
// next, 6 KiB for each tile, is then still in the cache.
constexpr std::int64_t kFillings = 4;

// The kernels' arguments for a group, which is some images of a batch. Block (x, y) works on a part
// of view y.
struct Group {
  const std::uint8_t* pixels;  // of the whole batch
  const ImageRecord* images;   // (G)
  const ViewParams* params;    // (G)
  float* planes;               // (G,C,H,W) after the first kernel
  float* rows;                 // (G,C,H,W) blurred along the rows
  double* grays;               // (G, tiles) sums
  int height, width, tiles;
};

// A view's values of one pixel, H×W apart.
template <int C> struct Pixel {
  float at[C];

  SIMT_DEVICE static std::int64_t offset(const Group& g, int y, int x) {
    return (simt::block_y() * C * g.height + y) * g.width + x;
  }
  SIMT_DEVICE static Pixel load(const float* planes, const Group& g, int y, int x) {
    Pixel pixel;
    for (int c = 0; c < C; ++c) pixel.at[c] = planes[offset(g, y, x) + std::int64_t(c) * g.height * g.width];
    return pixel;
  }
  SIMT_DEVICE void store(float* planes, const Group& g, int y, int x) const {
    for (int c = 0; c < C; ++c) planes[offset(g, y, x) + std::int64_t(c) * g.height * g.width] = at[c];
  }

  SIMT_DEVICE float gray() const {
    if constexpr (C == 1) return at[0];
    else return pixel::luma({at[0], at[1], at[2]});
  }
  SIMT_DEVICE void set(pixel::Rgb x) {
    at[0] = x.r;
    at[1] = x.g;
    at[2] = x.b;
  }
};

SIMT_DEVICE float jitter_of(const ViewParams& p, Jitter which) { return p.jitter[static_cast<std::size_t>(which)]; }

SIMT_DEVICE int contrast_place(const ViewParams& p) {
  int place = 0;
  while (place < 3 && p.jitter_order[static_cast<std::size_t>(place)] != Jitter::contrast) ++place;
  return place;
}

// Applies operations [from, to) of the drawn order. `rest` is contrast's part of the mean gray. One
// channel has no saturation and no hue.
template <int C> SIMT_DEVICE void jitter(Pixel<C>& x, const ViewParams& p, int from, int to, float rest) {
  for (int place = from; place < to; ++place) {
    const Jitter which = p.jitter_order[static_cast<std::size_t>(place)];
    const float value = jitter_of(p, which);
    if (value == (which == Jitter::hue ? 0.0F : 1.0F)) continue;
    if (which == Jitter::brightness) {
      for (int c = 0; c < C; ++c) x.at[c] = pixel::brightened(x.at[c], value);
    } else if (which == Jitter::contrast) {
      for (int c = 0; c < C; ++c) x.at[c] = pixel::blended(x.at[c], value, rest);
    } else if constexpr (C == 3) {
      const pixel::Rgb old{x.at[0], x.at[1], x.at[2]};
      x.set(which == Jitter::hue ? pixel::turned(old, 6.0F * value) : pixel::saturated(old, value));
    }
  }
}

// weights[line·taps + k] of the taps from + k, k < taps, of each of `lines` filters.
SIMT_DEVICE void fill_weights(const TriangleFilter* filters, int lines, int from, int taps, float* weights) {
  for (int i = simt::thread(); i < lines * taps; i += simt::threads()) {
    const TriangleFilter& filter = filters[i / taps];
    const int k = from + i % taps;
    if (k < filter.count) weights[i] = filter.weight(k);
  }
}

template <int C> SIMT_KERNEL resize_kernel(Group g) {
  SIMT_SHARED(TriangleFilter, columns, kTileWidth);
  SIMT_SHARED(TriangleFilter, rows, kTileHeight);
  SIMT_SHARED(float, row_weights, kTileHeight* kRowTaps);
  SIMT_SHARED(float, column_weights, kTileWidth* kColumnTaps);
  SIMT_SHARED(double, sums, kWarp);
  const ImageRecord& image = g.images[simt::block_y()];
  const ViewParams& p = g.params[simt::block_y()];
  const int tiles_across = static_cast<int>(ceil_div(g.width, kTileWidth)), tile = static_cast<int>(simt::block());
  const int left = tile % tiles_across * kTileWidth, top = tile / tiles_across * kTileHeight, thread = simt::thread();

  // Beyond the view's edge the last filter is used; what it gives is dropped.
  if (thread < kTileWidth) {
    columns[thread] = TriangleFilter::at(p.window_left + std::min(left + thread, g.width - 1), p.crop.width, p.to_width);
  } else if (const int row = thread - kTileWidth; row < kTileHeight) {
    rows[row] = TriangleFilter::at(p.window_top + std::min(top + row, g.height - 1), p.crop.height, p.to_height);
  }
  simt::sync();
  const int row_taps = TriangleFilter::most(p.crop.height, p.to_height),
            column_taps = TriangleFilter::most(p.crop.width, p.to_width);
  fill_weights(rows, kTileHeight, 0, row_taps, row_weights);

  const int lane = thread % kTileWidth, line = thread / kTileWidth, x = left + lane, y = top + line;
  const TriangleFilter &column = columns[lane], &row = rows[line];
  const std::int64_t pitch = std::int64_t(image.width) * C;
  const std::uint8_t* corner =
      g.pixels + image.offset + (p.crop.top + row.first) * pitch + std::int64_t(p.crop.left + column.first) * C;
  Pixel<C> result{};
  for (int from = 0; from < column_taps; from += kColumnTaps) {
    const int left_over = column_taps - from, taps = left_over < kColumnTaps ? left_over : kColumnTaps;
    // Now all threads have read the weights of the piece before.
    simt::sync();
    fill_weights(columns, kTileWidth, from, taps, column_weights);
    simt::sync();
    const int end = std::min(taps, column.count - from);
    for (int k = 0; k < end; ++k) {
      const std::uint8_t* source = corner + std::int64_t(from + k) * C;
      Pixel<C> down{};
      for (int j = 0; j < row.count; ++j, source += pitch) {
        const float weight = row_weights[line * row_taps + j];
        for (int c = 0; c < C; ++c) down.at[c] += weight * static_cast<float>(source[c]);
      }
      const float weight = column_weights[lane * taps + k];
      for (int c = 0; c < C; ++c) result.at[c] += weight * down.at[c];
    }
  }

  jitter(result, p, 0, contrast_place(p), 0.0F);
  const bool inside = x < g.width && y < g.height;
  if (jitter_of(p, Jitter::contrast) != 1.0F) {
    const double sum = block_sum(inside ? double(result.gray()) : 0.0, sums);
    if (thread == 0) g.grays[simt::block_y() * g.tiles + tile] = sum;
  }
  if (inside) result.store(g.planes, g, y, x);
}

// Contrast's part of the mean gray, for each thread of a block; `shared` has kWarp elements.
SIMT_DEVICE float contrast_rest(const Group& g, const ViewParams& p, double* shared) {
  const float factor = jitter_of(p, Jitter::contrast);
  if (factor == 1.0F) return 0.0F;
  double sum = 0;
  for (int i = simt::thread(); i < g.tiles; i += simt::threads()) sum += g.grays[simt::block_y() * g.tiles + i];
  const double mean = block_sum(sum, shared) / (double(g.height) * g.width);
  return (1.0F - factor) * static_cast<float>(mean);
}

// weights[k] at distance k, for each thread of a block.
SIMT_DEVICE void fill_blur_weights(const ViewParams& p, float* weights) {
  const int radius = p.blur_radius;
  for (int k = simt::thread(); k <= radius; k += simt::threads())
    weights[k] = pixel::gaussian(static_cast<float>(k), p.blur_sigma);
  simt::sync();
  float sum = 0;
  for (int k = -radius; k <= radius; ++k) sum += weights[k < 0 ? -k : k];
  simt::sync();
  for (int k = simt::thread(); k <= radius; k += simt::threads()) weights[k] /= sum;
  simt::sync();
}

// Where views are written, and how.
template <class T> struct Result {
  T* views;  // (G,H,W,channels)
  std::int64_t channels;
  MakeViewsArgs args;

  // Solarises, normalises and writes a pixel and the channels that images do not have.
  template <int C> SIMT_DEVICE void write(const Pixel<C>& x, const Group& g, const ViewParams& p, int row, int column) const {
    constexpr int kValues = kPack<T>;
    if (p.flip) column = g.width - 1 - column;
    T* to = views + ((simt::block_y() * g.height + row) * g.width + column) * channels;
    Pack<T, kValues> pack;
    for (int v = 0; v < kValues; ++v) pack.at[v] = T(0.0F);
    for (std::int64_t c = kValues; c < channels; c += kValues) *reinterpret_cast<Pack<T, kValues>*>(to + c) = pack;
    for (int c = 0; c < C; ++c) {
      const float value = p.solarize ? pixel::solarized(x.at[c], p.solarize_threshold) : x.at[c];
      pack.at[c] = T(value * args.scale[static_cast<std::size_t>(c)] + args.shift[static_cast<std::size_t>(c)]);
    }
    *reinterpret_cast<Pack<T, kValues>*>(to) = pack;
  }
};

// A block has kBlock/lanes rows of up to `lanes` pixels.
template <int C, class T> SIMT_KERNEL color_kernel(Group g, Result<T> out, int lanes) {
  SIMT_SHARED(float, colors, C* kLine);
  SIMT_SHARED(float, weights, kernel::MakeViews::kMostBlur + 1);
  SIMT_SHARED(double, sums, kWarp);
  const ViewParams& p = g.params[simt::block_y()];
  const bool blurred = p.blur_sigma > 0.0F;
  const int radius = blurred ? p.blur_radius : 0, span = lanes + 2 * radius, lines = simt::threads() / lanes;
  const int pieces = static_cast<int>(ceil_div(g.width, lanes)), block = static_cast<int>(simt::block());
  const int left = block % pieces * lanes, top = block / pieces * lines, place = contrast_place(p);
  const float rest = contrast_rest(g, p, sums);
  if (blurred) fill_blur_weights(p, weights);

  for (int i = simt::thread(); i < lines * span; i += simt::threads()) {
    const int y = top + i / span, x = left + i % span - radius;
    if (y >= g.height || x >= g.width + radius) continue;
    Pixel<C> color = Pixel<C>::load(g.planes, g, y, pixel::reflected(x, g.width));
    jitter(color, p, place, 4, rest);
    const float gray = color.gray();
    for (int c = 0; c < C; ++c) colors[c * kLine + i] = p.gray ? gray : color.at[c];
  }
  simt::sync();

  const int lane = simt::thread() % lanes, line = simt::thread() / lanes, x = left + lane, y = top + line;
  if (x >= g.width || y >= g.height) return;
  const float* own = colors + line * span + lane;
  Pixel<C> result{};
  if (!blurred) {
    for (int c = 0; c < C; ++c) result.at[c] = own[c * kLine];
    out.write(result, g, p, y, x);
    return;
  }
  for (int k = -radius; k <= radius; ++k) {
    const float weight = weights[k < 0 ? -k : k];
    for (int c = 0; c < C; ++c) result.at[c] += weight * own[c * kLine + k + radius];
  }
  result.store(g.rows, g, y, x);
}

template <int C, class T> SIMT_KERNEL blur_kernel(Group g, Result<T> out) {
  SIMT_SHARED(float, weights, kernel::MakeViews::kMostBlur + 1);
  const ViewParams& p = g.params[simt::block_y()];
  if (!(p.blur_sigma > 0.0F)) return;
  fill_blur_weights(p, weights);
  const int tiles_across = static_cast<int>(ceil_div(g.width, kTileWidth)), tile = static_cast<int>(simt::block());
  const int x = tile % tiles_across * kTileWidth + simt::thread() % kTileWidth;
  const int top = tile / tiles_across * kTileHeight * kBlurTurns + simt::thread() / kTileWidth;
  if (x >= g.width) return;
  for (int y = top; y < std::min(top + kTileHeight * kBlurTurns, g.height); y += kTileHeight) {
    Pixel<C> result{};
    for (int k = -p.blur_radius; k <= p.blur_radius; ++k) {
      const float weight = weights[k < 0 ? -k : k];
      const Pixel<C> row = Pixel<C>::load(g.rows, g, pixel::reflected(y + k, g.height), x);
      for (int c = 0; c < C; ++c) result.at[c] += weight * row.at[c];
    }
    out.write(result, g, p, y, x);
  }
}

// The smallest power of two that is no less than n; at most kBlock.
int lanes_for(std::int64_t n) {
  int lanes = 1;
  while (lanes < n && lanes < kBlock) lanes *= 2;
  return lanes;
}

template <int C, class T> void run(const Group& g, const Result<T>& out, std::int64_t images, simt::Stream stream) {
  const int lanes = lanes_for(g.width);
  simt::launch("make_views", resize_kernel<C>, {.x = g.tiles, .y = images}, stream, g);
  simt::launch("make_views", color_kernel<C, T>,
               {.x = ceil_div(g.width, lanes) * ceil_div(g.height, kBlock / lanes), .y = images}, stream, g, out, lanes);
  simt::launch("make_views", blur_kernel<C, T>,
               {.x = ceil_div(g.width, kTileWidth) * ceil_div(g.height, kTileHeight * kBlurTurns), .y = images}, stream, g,
               out);
}

}  // namespace

void run(KernelBackend& device, const kernel::MakeViews& call) {
  const std::int64_t n = call.y.shape[0], height = call.y.shape[1], width = call.y.shape[2],
                     values = call.args.channels * height * width;
  const std::int64_t tiles = ceil_div(width, kTileWidth) * ceil_div(height, kTileHeight);
  const std::int64_t most = 65535;  // blocks of a grid in y
  const std::int64_t group = std::min({n, ceil_div(kFillings * device.grid_limit(), tiles), most});
  // In doubles: one for the sum of each tile, and one for the two floats (planes, rows) of each
  // value.
  double* grays = device.scratch_array<double>(group * (tiles + values));
  float* planes = reinterpret_cast<float*>(grays + group * tiles);
  const auto run_all = [&]<int C, class T>() {
    for (std::int64_t first = 0; first < n; first += group) {
      const Group g{.pixels = call.pixels.as<std::uint8_t>(),
                    .images = call.images.as<ImageRecord>() + first,
                    .params = call.params.as<ViewParams>() + first,
                    .planes = planes,
                    .rows = planes + group * values,
                    .grays = grays,
                    .height = static_cast<int>(height),
                    .width = static_cast<int>(width),
                    .tiles = static_cast<int>(tiles)};
      const std::int64_t channels = call.y.shape[3];
      const Result<T> out{.views = call.y.as<T>() + first * height * width * channels, .channels = channels, .args = call.args};
      run<C, T>(g, out, std::min(group, n - first), device.stream());
    }
  };
  const auto run_channels = [&]<class T>() {
    if (call.args.channels == 1) run_all.template operator()<1, T>();
    else run_all.template operator()<3, T>();
  };
  if (call.y.dtype == Dtype::bf16) run_channels.template operator()<bf16>();
  else run_channels.template operator()<float>();
}

constinit const ViewKernels view_kernels = KernelsOf<KernelBackend, ViewKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
