#include "mec/data/augment/resize.h"

#include <algorithm>

#include "mec/tensor/error.h"
#include "mec/tensor/pixels.h"

namespace mec {
namespace {

// Output i of one axis is the sum of weights[taps·i + k] · input[first[i] + k] over k < count[i].
struct AxisFilter {
  std::size_t taps = 0;
  std::vector<std::size_t> first;
  std::vector<std::size_t> count;
  std::vector<float> weights;
};

struct Axis {
  int in = 0;     // pixels before
  int out = 0;    // pixels after
  int begin = 0;  // the `count` outputs that are wanted
  int count = 0;
};

AxisFilter make_filter(const Axis& axis) {
  AxisFilter filter;
  filter.taps = static_cast<std::size_t>(pixel::TriangleFilter::most(axis.in, axis.out));
  filter.weights.resize(filter.taps * static_cast<std::size_t>(axis.count));
  for (int i = 0; i < axis.count; ++i) {
    const auto triangle = pixel::TriangleFilter::at(axis.begin + i, axis.in, axis.out);
    float* weights = &filter.weights[filter.taps * static_cast<std::size_t>(i)];
    for (int k = 0; k < triangle.count; ++k) weights[k] = triangle.weight(k);
    filter.first.push_back(static_cast<std::size_t>(triangle.first));
    filter.count.push_back(static_cast<std::size_t>(triangle.count));
  }
  return filter;
}

bool lies_within(const CropBox& box, ImageSize size) {
  return box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 && box.height <= size.height - box.top &&
         box.width <= size.width - box.left;
}

// One output row of the vertical pass over `row.size()` interleaved values (W·C).
void filter_rows(const std::uint8_t* top, std::size_t pitch, const float* weights, std::size_t count, std::vector<float>& row) {
  std::fill(row.begin(), row.end(), 0.0F);
  for (std::size_t k = 0; k < count; ++k) {
    const std::uint8_t* source = top + k * pitch;
    const float weight = weights[k];
    for (std::size_t x = 0; x < row.size(); ++x) row[x] += weight * static_cast<float>(source[x]);
  }
}

// Templated on the channels, so that the stride is known.
template <std::size_t kChannels>
void filter_columns(const float* row, const AxisFilter& filter, std::size_t out_y, Planes& out) {
  const auto width = static_cast<std::size_t>(out.size().width);
  const std::size_t area = width * static_cast<std::size_t>(out.size().height);
  float* to = out.values().data() + out_y * width;
  for (std::size_t x = 0; x < width; ++x) {
    const float* weights = &filter.weights[filter.taps * x];
    const float* source = row + filter.first[x] * kChannels;
    float sums[kChannels] = {};
    for (std::size_t k = 0; k < filter.count[x]; ++k) {
      for (std::size_t c = 0; c < kChannels; ++c) sums[c] += weights[k] * source[k * kChannels + c];
    }
    for (std::size_t c = 0; c < kChannels; ++c) to[c * area + x] = sums[c];
  }
}

}  // namespace

Planes resized_crop(const Image& image, const CropBox& crop, ImageSize to) {
  return resized_crop(image, crop, to, {.top = 0, .left = 0, .height = to.height, .width = to.width});
}

Planes resized_crop(const Image& image, const CropBox& crop, ImageSize to, const CropBox& window) {
  check<ValueError>(lies_within(crop, image.size()), "resized_crop: the crop of ", crop.width, "x", crop.height, " at (",
                    crop.left, ", ", crop.top, ") does not lie within the image of ", image.width, "x", image.height);
  check<ValueError>(lies_within(window, to), "resized_crop: the window of ", window.width, "x", window.height, " at (",
                    window.left, ", ", window.top, ") does not lie within the result of ", to.width, "x", to.height);
  check<ValueError>(image.channels == 1 || image.channels == 3, "resized_crop: images have 1 or 3 channels, not ",
                    image.channels);

  const AxisFilter vertical = make_filter({.in = crop.height, .out = to.height, .begin = window.top, .count = window.height});
  const AxisFilter horizontal = make_filter({.in = crop.width, .out = to.width, .begin = window.left, .count = window.width});
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t pitch = static_cast<std::size_t>(image.width) * channels;
  const std::uint8_t* corner =
      image.pixels.data() + static_cast<std::size_t>(crop.top) * pitch + static_cast<std::size_t>(crop.left) * channels;
  // Down the columns first: that pass is the one that vectorises, and it leaves fewer rows for the
  // other.
  std::vector<float> row(static_cast<std::size_t>(crop.width) * channels);
  Planes out(image.channels, {window.width, window.height});
  for (std::size_t y = 0; y < static_cast<std::size_t>(window.height); ++y) {
    filter_rows(corner + vertical.first[y] * pitch, pitch, &vertical.weights[vertical.taps * y], vertical.count[y], row);
    if (image.channels == 1) {
      filter_columns<1>(row.data(), horizontal, y, out);
    } else {
      filter_columns<3>(row.data(), horizontal, y, out);
    }
  }
  return out;
}

}  // namespace mec
