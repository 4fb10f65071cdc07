#include "software_gpu/convolution.h"

#include <vector>

#include "software_gpu/elements.h"

namespace mec::software_gpu {
namespace {

// f(place, at): for each element in the order of `order`, its number in that order and its place in
// memory.
template <class F> void for_each_element(const StridedTensor& t, const std::array<int, 4>& order, F f) {
  std::size_t at = 0;
  std::array<std::int64_t, 4> i{};
  const auto size = [&](int k) { return t.sizes[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])]; };
  const auto stride = [&](int k) { return t.strides[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])]; };
  for (i[0] = 0; i[0] < size(0); ++i[0]) {
    for (i[1] = 0; i[1] < size(1); ++i[1]) {
      for (i[2] = 0; i[2] < size(2); ++i[2]) {
        for (i[3] = 0; i[3] < size(3); ++i[3]) {
          f(at++, i[0] * stride(0) + i[1] * stride(1) + i[2] * stride(2) + i[3] * stride(3));
        }
      }
    }
  }
}

constexpr std::array<int, 4> kImages{0, 2, 3, 1}, kWeights{2, 3, 0, 1};  // N H W C; H W O C

template <class A> std::vector<A> read(const StridedTensor& t, const std::array<int, 4>& order, bool rounded) {
  std::vector<A> values(static_cast<std::size_t>(t.sizes[0] * t.sizes[1] * t.sizes[2] * t.sizes[3]));
  for_each_element(t, order, [&](std::size_t at, std::int64_t place) {
    const double value = element(t.memory, t.dtype, place);
    values[at] =
        static_cast<A>(rounded && t.dtype == Dtype::f32 ? static_cast<double>(tf32(static_cast<float>(value))) : value);
  });
  return values;
}

// pair(x, w, y): where the elements of a pixel of x, of a cell of the kernel and of a pixel of y
// begin that meet.
template <class F> void for_each_meeting(const Convolution& v, F pair) {
  const auto& [n, c, height, width] = v.x.sizes;
  const std::int64_t cell = v.w.sizes[0] * v.w.sizes[1];
  for (std::int64_t image = 0; image < n; ++image) {
    for (std::int64_t p = 0; p < v.y.sizes[2]; ++p) {
      for (std::int64_t q = 0; q < v.y.sizes[3]; ++q) {
        for (std::int64_t r = 0; r < v.w.sizes[2]; ++r) {
          const std::int64_t row = p * v.stride[0] - v.pad[0] + r * v.dilation[0];
          if (row < 0 || row >= height) continue;
          for (std::int64_t s = 0; s < v.w.sizes[3]; ++s) {
            const std::int64_t column = q * v.stride[1] - v.pad[1] + s * v.dilation[1];
            if (column < 0 || column >= width) continue;
            pair(((image * height + row) * width + column) * c, (r * v.w.sizes[3] + s) * cell,
                 ((image * v.y.sizes[2] + p) * v.y.sizes[3] + q) * v.y.sizes[1]);
          }
        }
      }
    }
  }
}

template <class A> void convolve_in(const Convolution& v) {
  using Direction = Convolution::Direction;
  const bool to_x = v.direction == Direction::grad_input, to_w = v.direction == Direction::grad_weight,
             to_y = v.direction == Direction::forward;
  const auto operand = [&](const StridedTensor& t, const std::array<int, 4>& order, bool result) {
    std::vector<A> values = result ? std::vector<A>() : read<A>(t, order, v.rounded);
    values.resize(static_cast<std::size_t>(t.sizes[0] * t.sizes[1] * t.sizes[2] * t.sizes[3]), A(0));
    return values;
  };
  std::vector<A> x = operand(v.x, kImages, to_x), w = operand(v.w, kWeights, to_w), y = operand(v.y, kImages, to_y);
  const std::int64_t outputs = v.w.sizes[0], channels = v.w.sizes[1], groups = v.x.sizes[1] / channels, each = outputs / groups;
  for_each_meeting(v, [&](std::int64_t x_at, std::int64_t w_at, std::int64_t y_at) {
    for (std::int64_t o = 0; o < outputs; ++o) {
      A* const x_row = x.data() + x_at + o / each * channels;
      A* const w_row = w.data() + w_at + o * channels;
      A& y_value = y[static_cast<std::size_t>(y_at + o)];
      if (to_x) {
        for (std::int64_t c = 0; c < channels; ++c) x_row[c] += y_value * w_row[c];
      } else if (to_w) {
        for (std::int64_t c = 0; c < channels; ++c) w_row[c] += y_value * x_row[c];
      } else {
        A sum = 0;
        for (std::int64_t c = 0; c < channels; ++c) sum += x_row[c] * w_row[c];
        y_value += sum;
      }
    }
  });
  const StridedTensor& result = to_x ? v.x : to_w ? v.w : v.y;
  const std::vector<A>& sums = to_x ? x : to_w ? w : y;
  for_each_element(result, to_w ? kWeights : kImages, [&](std::size_t at, std::int64_t place) {
    double value = v.alpha * static_cast<double>(sums[at]);
    // Else what was there is not read.
    if (v.beta != 0) value += v.beta * element(result.memory, result.dtype, place);
    set_element(result.memory, result.dtype, place, value);
  });
}

}  // namespace

void convolve(const Convolution& convolution) {
  if (convolution.wide) convolve_in<double>(convolution);
  else convolve_in<float>(convolution);
}

}  // namespace mec::software_gpu
