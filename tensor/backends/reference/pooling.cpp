#include <cmath>

#include "mec/tensor/backends/reference/reference_backend.h"
#include "mec/tensor/backends/reference/windows.h"

namespace mec::reference {
namespace {

std::int64_t at(const Shape& s, std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  return ((n * s[1] + h) * s[2] + w) * s[3] + c;
}

template <class Body> void for_each_element(const Shape& s, Body&& body) {
  for (std::int64_t n = 0; n < s[0]; ++n) {
    for (std::int64_t h = 0; h < s[1]; ++h) {
      for (std::int64_t w = 0; w < s[2]; ++w) {
        for (std::int64_t c = 0; c < s[3]; ++c) body(n, h, w, c);
      }
    }
  }
}

}  // namespace

void ReferenceBackend::max_pool2d(In x, Out y, Out argmax, const Pool2dArgs& args) {
  const Window window{args.stride, args.pad, 1};
  dispatch_floating("max_pool2d", x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for_each_element(y.shape, [&](auto n, auto i, auto j, auto c) {
      A best = 0;
      std::int64_t winner = -1;
      for (std::int64_t tap = 0; tap < args.kernel * args.kernel; ++tap) {
        const std::int64_t h = window.input(i, tap / args.kernel), w = window.input(j, tap % args.kernel);
        if (!inside(h, x.shape[1]) || !inside(w, x.shape[2])) continue;
        const A value = x.as<T>()[at(x.shape, n, h, w, c)];
        // The first of equals; NaN always wins.
        if (winner >= 0 && !(value > best) && !std::isnan(value)) continue;
        best = value;
        winner = tap;
      }
      y.as<T>()[at(y.shape, n, i, j, c)] = T(best);
      argmax.as<std::uint8_t>()[at(y.shape, n, i, j, c)] = static_cast<std::uint8_t>(winner);
    });
  });
}

// Each pixel gathers the gradients of the windows that it won.
void ReferenceBackend::max_pool2d_grad(In dy, In argmax, Out dx, const Pool2dArgs& args) {
  const Window window{args.stride, args.pad, 1};
  dispatch_floating("max_pool2d_grad", dy.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for_each_element(dx.shape, [&](auto n, auto h, auto w, auto c) {
      A sum = 0;
      for (std::int64_t tap = 0; tap < args.kernel * args.kernel; ++tap) {
        const std::int64_t i = window.output(h, tap / args.kernel, dy.shape[1]);
        const std::int64_t j = window.output(w, tap % args.kernel, dy.shape[2]);
        if (i < 0 || j < 0) continue;
        const std::int64_t from = at(dy.shape, n, i, j, c);
        if (argmax.as<std::uint8_t>()[from] == tap) sum += A(dy.as<T>()[from]);
      }
      dx.as<T>()[at(dx.shape, n, h, w, c)] = T(sum);
    });
  });
}

void ReferenceBackend::global_avg_pool(In x, Out y) {
  const std::int64_t pixels = x.shape[1] * x.shape[2], channels = x.shape[3];
  dispatch_floating("global_avg_pool", x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      const T* first = x.as<T>() + i / channels * pixels * channels + i % channels;
      A sum = 0;
      for (std::int64_t p = 0; p < pixels; ++p) sum += A(first[p * channels]);
      y.as<T>()[i] = T(sum / A(pixels));
    }
  });
}

void ReferenceBackend::global_avg_pool_grad(In dy, Out dx) {
  const std::int64_t pixels = dx.shape[1] * dx.shape[2];
  dispatch_floating("global_avg_pool_grad", dy.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for_each_element(dx.shape, [&](auto n, auto h, auto w, auto c) {
      dx.as<T>()[at(dx.shape, n, h, w, c)] = T(A(dy.as<T>()[n * dx.shape[3] + c]) / A(pixels));
    });
  });
}

}  // namespace mec::reference
