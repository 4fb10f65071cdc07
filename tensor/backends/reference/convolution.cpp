#include "mec/tensor/backends/reference/product_types.h"
#include "mec/tensor/backends/reference/reference_backend.h"
#include "mec/tensor/backends/reference/windows.h"

// y[n,i,j,o] = Σ_{p,q,c} x[n, i·s + p·d − pad, j·s + q·d − pad, g·C/G + c]·w[o,p,q,c], where g is
// the group of o. Each direction gathers what belongs to one element of its result; positions
// outside the image count as 0.
namespace mec::reference {
namespace {

// Sizes, and where the channel vector of a pixel or of a weight's tap starts. Images are NHWC,
// weights OHWI.
struct Convolution {
  Convolution(const Shape& x, const Shape& w, const Shape& y, const Conv2dArgs& args)
      : images(x[0]),
        height(x[1]),
        width(x[2]),
        channels(x[3]),
        out_height(y[1]),
        out_width(y[2]),
        outputs(y[3]),
        kernel_height(w[1]),
        kernel_width(w[2]),
        group_channels(w[3]),
        group_outputs(w[0] / args.groups),
        window{args.stride, args.pad, args.dilation} {}

  std::int64_t in(std::int64_t n, std::int64_t h, std::int64_t v) const { return ((n * height + h) * width + v) * channels; }
  std::int64_t out(std::int64_t n, std::int64_t i, std::int64_t j) const {
    return ((n * out_height + i) * out_width + j) * outputs;
  }
  std::int64_t tap(std::int64_t o, std::int64_t p, std::int64_t q) const {
    return ((o * kernel_height + p) * kernel_width + q) * group_channels;
  }
  // The first input channel that output o reads, and the first output that reads input channel c.
  std::int64_t first_channel(std::int64_t o) const { return o / group_outputs * group_channels; }
  std::int64_t first_output(std::int64_t c) const { return c / group_channels * group_outputs; }

  std::int64_t images, height, width, channels, out_height, out_width, outputs;
  std::int64_t kernel_height, kernel_width, group_channels, group_outputs;
  Window window;
};

// Σ over taps and channels for output o of pixel (i,j).
template <class T>
Accumulator<T> output_sum(const Convolution& s, const T* x, const T* w, std::int64_t n, std::int64_t i, std::int64_t j,
                          std::int64_t o) {
  Accumulator<T> sum = 0;
  for (std::int64_t p = 0; p < s.kernel_height; ++p) {
    const std::int64_t h = s.window.input(i, p);
    for (std::int64_t q = 0; q < s.kernel_width; ++q) {
      const std::int64_t v = s.window.input(j, q);
      if (!inside(h, s.height) || !inside(v, s.width)) continue;
      const T* pixel = x + s.in(n, h, v) + s.first_channel(o);
      const T* taps = w + s.tap(o, p, q);
      for (std::int64_t c = 0; c < s.group_channels; ++c) sum += Accumulator<T>(pixel[c]) * Accumulator<T>(taps[c]);
    }
  }
  return sum;
}

// Σ over the outputs that read channel c of input pixel (h,v).
template <class T>
Accumulator<T> input_sum(const Convolution& s, const T* dy, const T* w, std::int64_t n, std::int64_t h, std::int64_t v,
                         std::int64_t c) {
  Accumulator<T> sum = 0;
  const std::int64_t first = s.first_output(c);
  for (std::int64_t p = 0; p < s.kernel_height; ++p) {
    const std::int64_t i = s.window.output(h, p, s.out_height);
    for (std::int64_t q = 0; q < s.kernel_width; ++q) {
      const std::int64_t j = s.window.output(v, q, s.out_width);
      if (i < 0 || j < 0) continue;
      const T* gradient = dy + s.out(n, i, j);
      for (std::int64_t o = first; o < first + s.group_outputs; ++o) {
        sum += Accumulator<T>(gradient[o]) * Accumulator<T>(w[s.tap(o, p, q) + c % s.group_channels]);
      }
    }
  }
  return sum;
}

// Σ over images and pixels for tap (p,q) and channel c (within its group) of output o.
template <class T>
Accumulator<T> weight_sum(const Convolution& s, const T* dy, const T* x, std::int64_t o, std::int64_t p, std::int64_t q,
                          std::int64_t c) {
  Accumulator<T> sum = 0;
  for (std::int64_t n = 0; n < s.images; ++n) {
    for (std::int64_t i = 0; i < s.out_height; ++i) {
      const std::int64_t h = s.window.input(i, p);
      for (std::int64_t j = 0; inside(h, s.height) && j < s.out_width; ++j) {
        const std::int64_t v = s.window.input(j, q);
        if (!inside(v, s.width)) continue;
        sum += Accumulator<T>(dy[s.out(n, i, j) + o]) * Accumulator<T>(x[s.in(n, h, v) + s.first_channel(o) + c]);
      }
    }
  }
  return sum;
}

// Writes sum(a, b, c, d) to every element of a tensor of rank 4, or adds it.
template <class R, class Sum> void for_each_element(const Out& y, bool accumulate, Sum&& sum) {
  R* out = y.as<R>();
  for (std::int64_t a = 0; a < y.shape[0]; ++a) {
    for (std::int64_t b = 0; b < y.shape[1]; ++b) {
      for (std::int64_t c = 0; c < y.shape[2]; ++c) {
        for (std::int64_t d = 0; d < y.shape[3]; ++d, ++out) {
          const auto value = sum(a, b, c, d);
          *out = R(accumulate ? value + decltype(value)(*out) : value);
        }
      }
    }
  }
}

}  // namespace

void run(ReferenceBackend&, const kernel::Conv2d& call) {
  const Convolution s(call.x.shape, call.w.shape, call.y.shape, call.args);
  dispatch_product(call.name, call.x.dtype, call.y.dtype, [&]<class T, class R>() {
    for_each_element<R>(call.y, false, [&](auto n, auto i, auto j, auto o) {
      return output_sum(s, call.x.as<T>(), call.w.as<T>(), n, i, j, o);
    });
  });
}

void run(ReferenceBackend& device, const kernel::Conv2dBatchNorm& call) { run_in_turn(device, call); }

void run(ReferenceBackend&, const kernel::Conv2dGradInput& call) {
  const Convolution s(call.dx.shape, call.w.shape, call.dy.shape, call.args);
  dispatch_product(call.name, call.dy.dtype, call.dx.dtype, [&]<class T, class R>() {
    for_each_element<R>(call.dx, call.args.accumulate, [&](auto n, auto h, auto v, auto c) {
      return input_sum(s, call.dy.as<T>(), call.w.as<T>(), n, h, v, c);
    });
  });
}

void run(ReferenceBackend&, const kernel::Conv2dGradWeight& call) {
  const Convolution s(call.x.shape, call.dw.shape, call.dy.shape, call.args);
  dispatch_product(call.name, call.dy.dtype, call.dw.dtype, [&]<class T, class R>() {
    for_each_element<R>(call.dw, call.args.accumulate, [&](auto o, auto p, auto q, auto c) {
      return weight_sum(s, call.dy.as<T>(), call.x.as<T>(), o, p, q, c);
    });
  });
}

constinit const ConvolutionKernels convolution_kernels = KernelsOf<ReferenceBackend, ConvolutionKernels>::table;

}  // namespace mec::reference
