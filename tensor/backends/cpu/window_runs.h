// Along one axis of a convolution: which taps a result position meets, and where in the source.
// Positions in the middle of an image meet all of them, those near its ends fewer; no kernel has to
// multiply by the zeros of the padding.
#pragma once

#include "mec/tensor/backends/cpu/parallel.h"
#include "mec/tensor/kernels/convolution.h"

namespace mec::cpu::MEC_ISA {

// Rows or columns. Forward, the source is the image: position r meets tap t at r·stride − pad +
// t·dilation. In the gradient of the input, the source is the output's gradient: position r meets
// tap t at (r + pad − t·dilation)/stride where that is a whole number.
struct Axis {
  std::int64_t result, source, taps;
  std::int64_t stride, pad, dilation;
  bool gradient;

  // -1 where position r does not meet tap t within the source.
  std::int64_t source_of(std::int64_t r, std::int64_t t) const {
    const std::int64_t at = gradient ? r + pad - t * dilation : r * stride - pad + t * dilation;
    if (at < 0 || (gradient && at % stride != 0)) return -1;
    const std::int64_t position = gradient ? at / stride : at;
    return position < source ? position : -1;
  }
};

// Dimension i of NHWC and OHWI: 1 for rows, 2 for columns.
inline Axis axis_of(const Shape& result, const Shape& source, const Shape& weight, const Conv2dArgs& args, bool gradient,
                    int i) {
  return {result[i], source[i], weight[i], args.stride, args.pad, args.dilation, gradient};
}

// Positions [begin, end) along one axis.
struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

// Result positions that meet tap t, forward. (The gradient of the weight sums over these.)
inline Range meeting(const Axis& axis, std::int64_t t) {
  const std::int64_t before = axis.pad - t * axis.dilation, last = axis.source - 1 + before;
  return {before > 0 ? ceil_div(before, axis.stride) : 0, last < 0 ? 0 : smaller(axis.result, last / axis.stride + 1)};
}

// `count` taps from `first` on, each `step` after the one before. The first is met at `source`, and
// each one after it `source_step` further.
struct Taps {
  std::int64_t first = 0, step = 1, count = 0;
  std::int64_t source = 0, source_step = 0;

  std::int64_t at(std::int64_t i) const { return first + i * step; }
};

inline Taps taps_of(const Axis& axis, std::int64_t r) {
  Taps taps;
  for (std::int64_t t = 0; t < axis.taps; ++t) {
    const std::int64_t source = axis.source_of(r, t);
    if (source < 0) continue;
    if (taps.count == 0) {
      taps.first = t;
      taps.source = source;
    } else if (taps.count == 1) {
      taps.step = t - taps.first;
      taps.source_step = source - taps.source;
    }
    ++taps.count;
  }
  return taps;
}

// `count` result positions that meet the same taps: `first`, and each one after it `step` further,
// with all of its sources `source_step` further.
struct Run {
  std::int64_t first, step, count, source_step;
  Taps taps;
};

// The run that begins at result position `first`.
inline Run run_from(const Axis& axis, std::int64_t first) {
  Run run{.first = first,
          .step = axis.gradient ? axis.stride : 1,
          .count = 1,
          .source_step = axis.gradient ? 1 : axis.stride,
          .taps = taps_of(axis, first)};
  for (; first + run.count * run.step < axis.result; ++run.count) {
    const Taps next = taps_of(axis, first + run.count * run.step);
    if (next.first != run.taps.first || next.count != run.taps.count) break;
  }
  return run;
}

// f(run) for all runs of an axis. Neighbours in the gradient of the input meet different taps where
// there is a stride: a run takes every stride-th position.
template <class F> void for_runs(const Axis& axis, F f) {
  const std::int64_t step = axis.gradient ? axis.stride : 1;
  for (std::int64_t start = 0; start < smaller(step, axis.result); ++start) {
    for (std::int64_t first = start; first < axis.result;) {
      const Run run = run_from(axis, first);
      f(run);
      first += run.count * step;
    }
  }
}

}  // namespace mec::cpu::MEC_ISA
