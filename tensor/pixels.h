// What augmentations do to a pixel, and the filters of resizing and blur: written once, for the
// loader's workers and for GPU kernels. Values lie in [0, 255].
#pragma once

#include <cmath>

#include "mec/tensor/host_device.h"

namespace mec::pixel {

struct Rgb {
  float r, g, b;
};

// These are float minima and maxima as selections, which compilers turn into vector instructions.
MEC_HOST_DEVICE inline float clamp255(float x) {
  x = x < 0.0F ? 0.0F : x;
  return x > 255.0F ? 255.0F : x;
}

MEC_HOST_DEVICE inline float luma(Rgb x) { return 0.2989F * x.r + 0.587F * x.g + 0.114F * x.b; }

MEC_HOST_DEVICE inline float brightened(float x, float factor) { return clamp255(factor * x); }

// Blends x with another value o, which is passed as rest = (1 − factor)·o.
MEC_HOST_DEVICE inline float blended(float x, float factor, float rest) { return clamp255(factor * x + rest); }

MEC_HOST_DEVICE inline Rgb saturated(Rgb x, float factor) {
  const float rest = (1.0F - factor) * luma(x);
  return {blended(x.r, factor, rest), blended(x.g, factor, rest), blended(x.b, factor, rest)};
}

// Wraps a hue from [−6, 12) into [0, 6).
MEC_HOST_DEVICE inline float wrapped(float x) {
  x = x >= 6.0F ? x - 6.0F : x;
  return x < 0.0F ? x + 6.0F : x;
}

// Back from HSV, channel n ∈ {5, 3, 1} (R, G, B) is max − chroma·clamp(min(k, 4 − k), 0, 1) with k
// = (n + hue) mod 6 (Wikipedia, "HSL and HSV", alternative formula).
MEC_HOST_DEVICE inline float from_hue(float n, float hue, float top, float chroma) {
  const float k = wrapped(n + hue);
  const float rise = k < 4.0F - k ? k : 4.0F - k;
  const float part = rise < 0.0F ? 0.0F : (rise > 1.0F ? 1.0F : rise);
  return top - chroma * part;
}

// RGB -> HSV -> RGB in six units of hue and without a branch. `turn` is in those units, too.
MEC_HOST_DEVICE inline Rgb turned(Rgb x, float turn) {
  const float r = x.r;
  const float g = x.g;
  const float b = x.b;
  const float top = r > g ? (r > b ? r : b) : (g > b ? g : b);
  const float bottom = r < g ? (r < b ? r : b) : (g < b ? g : b);
  const float chroma = top - bottom;
  // Gray has no hue, and keeps none: chroma is 0.
  const float scale = 1.0F / (chroma > 0.0F ? chroma : 1.0F);
  const float from_red = (g - b) * scale;
  const float from_green = 2.0F + (b - r) * scale;
  const float from_blue = 4.0F + (r - g) * scale;
  const float hue = wrapped((r == top ? from_red : (g == top ? from_green : from_blue)) + turn);
  return {from_hue(5.0F, hue, top, chroma), from_hue(3.0F, hue, top, chroma), from_hue(1.0F, hue, top, chroma)};
}

MEC_HOST_DEVICE inline float solarized(float x, float threshold) { return x >= threshold ? 255.0F - x : x; }

// A Gaussian's weight at a distance, before the weights are scaled to sum to 1.
MEC_HOST_DEVICE inline float gaussian(float distance, float sigma) {
  const float scaled = distance / sigma;
  return std::exp(-0.5F * scaled * scaled);
}

// The pixel at index i of a line of `size` pixels that is continued by its mirror image on both
// sides; i lies less than `size` outside.
MEC_HOST_DEVICE inline int reflected(int i, int size) {
  if (i < 0) return -i;
  return i >= size ? 2 * (size - 1) - i : i;
}

// One output of a resized line: the sum of weight(k) times the inputs first + k, k < count. ATen's
// and PIL's: a triangle around scale·(i + ½), wider by the factor when shrinking, cut off at the
// ends of the line and scaled to sum 1.
struct TriangleFilter {
  double center, support, total;
  int first, count;

  // Output i of `out`, from a line of `in`.
  static MEC_HOST_DEVICE TriangleFilter at(int i, int in, int out) {
    const double scale = static_cast<double>(in) / out;
    TriangleFilter filter{
        .center = scale * (i + 0.5), .support = scale > 1.0 ? scale : 1.0, .total = 0, .first = 0, .count = 0};
    const int first = static_cast<int>(filter.center - filter.support + 0.5);
    const int last = static_cast<int>(filter.center + filter.support + 0.5);
    filter.first = first > 0 ? first : 0;
    filter.count = (last < in ? last : in) - filter.first;
    for (int k = 0; k < filter.count; ++k) filter.total += filter.triangle(k);
    return filter;
  }

  MEC_HOST_DEVICE double triangle(int k) const {
    const double height = 1.0 - std::fabs((first + k - center + 0.5) / support);
    return height > 0.0 ? height : 0.0;
  }
  MEC_HOST_DEVICE float weight(int k) const { return static_cast<float>(triangle(k) / total); }

  // Upper bound of `count` over all outputs of a line.
  static constexpr MEC_HOST_DEVICE int most(int in, int out) { return in > out ? (in + out - 1) / out * 2 + 1 : 3; }
};

}  // namespace mec::pixel
