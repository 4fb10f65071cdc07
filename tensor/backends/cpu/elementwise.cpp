#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {

// No `omp simd` on the next two: some of the functions have no vector form, and clang warns where
// it cannot vectorise a loop.
void run(LoopsBackend& device, const kernel::Unary& call) {
  with_floating(call.x.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      const T* const in = static_cast<const T*>(call.x.data);
      T* const out = static_cast<T*>(call.y.data);
      parallel_for(device.threads(), numel(call.x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) put(out[i], Op::value(Accumulator<T>(in[i])));
      });
    });
  });
}

void run(LoopsBackend& device, const kernel::UnaryGrad& call) {
  with_floating(call.x.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      using A = Accumulator<T>;
      const T* const in = static_cast<const T*>(call.x.data);
      const T* const gradient = static_cast<const T*>(call.dy.data);
      T* const out = static_cast<T*>(call.dx.data);
      parallel_for(device.threads(), numel(call.x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const A at = A(in[i]);
          put(out[i], Op::grad(A(gradient[i]), at, Op::value(at)));
        }
      });
    });
  });
}

void run(LoopsBackend& device, const kernel::Binary& call) {
  const std::int64_t n = numel(call.a.shape), period = numel(call.b.shape);
  if (n == 0) return;
  with_floating(call.a.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      using A = Accumulator<T>;
      const T* const left = static_cast<const T*>(call.a.data);
      const T* const right = static_cast<const T*>(call.b.data);
      T* const out = static_cast<T*>(call.y.data);
      parallel_for(device.threads(), n, kGrain, [=](std::int64_t begin, std::int64_t end) {
        // In stretches within which b's index does not wrap around.
        for (std::int64_t start = begin; start < end;) {
          const std::int64_t from = start % period, length = smaller(end - start, period - from);
          if (period == 1) break;
#pragma omp simd
          for (std::int64_t i = 0; i < length; ++i) put(out[start + i], Op::value(A(left[start + i]), A(right[from + i])));
          start += length;
        }
        if (period > 1) return;
        const A value = A(right[0]);
#pragma omp simd
        for (std::int64_t i = begin; i < end; ++i) put(out[i], Op::value(A(left[i]), value));
      });
    });
  });
}

void run(LoopsBackend& device, const kernel::Axpby& call) {
  const double scale = call.factor.data ? call.args.alpha * scalar(call.factor) : call.args.alpha;
  with_floating(call.x.dtype, [&]<class X>() {
    with_floating(call.y.dtype, [&]<class Y>() {
      using A = decltype(Accumulator<X>{} + Accumulator<Y>{});
      const X* const in = static_cast<const X*>(call.x.data);
      Y* const out = static_cast<Y*>(call.y.data);
      const A alpha = A(scale), beta = A(call.args.beta);
      parallel_for(device.threads(), numel(call.x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
        if (beta == A(0)) {  // y may hold anything, even NaN
#pragma omp simd
          for (std::int64_t i = begin; i < end; ++i) put(out[i], alpha * A(in[i]));
        } else {
#pragma omp simd
          for (std::int64_t i = begin; i < end; ++i) put(out[i], alpha * A(in[i]) + beta * A(out[i]));
        }
      });
    });
  });
}

constinit const ElementwiseKernels elementwise_kernels = KernelsOf<LoopsBackend, ElementwiseKernels>::table;

}  // namespace mec::cpu::MEC_ISA
