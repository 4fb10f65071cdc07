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

void run(ReferenceBackend&, const kernel::MaxPool2d& call) {
  const Window window{call.args.stride, call.args.pad, 1};
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for_each_element(call.y.shape, [&](auto n, auto i, auto j, auto c) {
      A best = 0;
      std::int64_t winner = -1;
      for (std::int64_t tap = 0; tap < call.args.kernel * call.args.kernel; ++tap) {
        const std::int64_t h = window.input(i, tap / call.args.kernel), w = window.input(j, tap % call.args.kernel);
        if (!inside(h, call.x.shape[1]) || !inside(w, call.x.shape[2])) continue;
        const A value = call.x.as<T>()[at(call.x.shape, n, h, w, c)];
        // The first of equals; NaN always wins.
        if (winner >= 0 && !(value > best) && !std::isnan(value)) continue;
        best = value;
        winner = tap;
      }
      call.y.as<T>()[at(call.y.shape, n, i, j, c)] = T(best);
      call.argmax.as<std::uint8_t>()[at(call.y.shape, n, i, j, c)] = static_cast<std::uint8_t>(winner);
    });
  });
}

// Each pixel gathers the gradients of the windows whose maximum it is.
void run(ReferenceBackend&, const kernel::MaxPool2dGrad& call) {
  const Window window{call.args.stride, call.args.pad, 1};
  dispatch_floating(call.name, call.dy.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for_each_element(call.dx.shape, [&](auto n, auto h, auto w, auto c) {
      A sum = 0;
      for (std::int64_t tap = 0; tap < call.args.kernel * call.args.kernel; ++tap) {
        const std::int64_t i = window.output(h, tap / call.args.kernel, call.dy.shape[1]);
        const std::int64_t j = window.output(w, tap % call.args.kernel, call.dy.shape[2]);
        if (i < 0 || j < 0) continue;
        const std::int64_t from = at(call.dy.shape, n, i, j, c);
        if (call.argmax.as<std::uint8_t>()[from] == tap) sum += A(call.dy.as<T>()[from]);
      }
      call.dx.as<T>()[at(call.dx.shape, n, h, w, c)] = T(sum);
    });
  });
}

void run(ReferenceBackend&, const kernel::GlobalAvgPool& call) {
  const std::int64_t pixels = call.x.shape[1] * call.x.shape[2], channels = call.x.shape[3];
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t i = 0; i < call.y.numel(); ++i) {
      const T* first = call.x.as<T>() + i / channels * pixels * channels + i % channels;
      A sum = 0;
      for (std::int64_t p = 0; p < pixels; ++p) sum += A(first[p * channels]);
      call.y.as<T>()[i] = T(sum / A(pixels));
    }
  });
}

void run(ReferenceBackend&, const kernel::GlobalAvgPoolGrad& call) {
  const std::int64_t pixels = call.dx.shape[1] * call.dx.shape[2];
  dispatch_floating(call.name, call.dy.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for_each_element(call.dx.shape, [&](auto n, auto h, auto w, auto c) {
      call.dx.as<T>()[at(call.dx.shape, n, h, w, c)] = T(A(call.dy.as<T>()[n * call.dx.shape[3] + c]) / A(pixels));
    });
  });
}

constinit const PoolingKernels pooling_kernels = KernelsOf<ReferenceBackend, PoolingKernels>::table;

}  // namespace mec::reference
