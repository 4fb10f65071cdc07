#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {

// No `omp simd` on these two: some of the functions have no vector form, and clang warns of a
// promise that it cannot keep.
void LoopsBackend::unary(UnaryOp op, In x, Out y) {
  with_floating(x.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      const T* const in = static_cast<const T*>(x.data);
      T* const out = static_cast<T*>(y.data);
      parallel_for(threads(), numel(x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) put(out[i], Op::value(Accumulator<T>(in[i])));
      });
    });
  });
}

void LoopsBackend::unary_grad(UnaryOp op, In x, In dy, Out dx) {
  with_floating(x.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      using A = Accumulator<T>;
      const T* const in = static_cast<const T*>(x.data);
      const T* const gradient = static_cast<const T*>(dy.data);
      T* const out = static_cast<T*>(dx.data);
      parallel_for(threads(), numel(x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const A at = A(in[i]);
          put(out[i], Op::grad(A(gradient[i]), at, Op::value(at)));
        }
      });
    });
  });
}

void LoopsBackend::binary(BinaryOp op, In a, In b, Out y) {
  const std::int64_t n = numel(a.shape), period = numel(b.shape);
  if (n == 0) return;
  with_floating(a.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      using A = Accumulator<T>;
      const T* const left = static_cast<const T*>(a.data);
      const T* const right = static_cast<const T*>(b.data);
      T* const out = static_cast<T*>(y.data);
      parallel_for(threads(), n, kGrain, [=](std::int64_t begin, std::int64_t end) {
        // Stretches along which neither operand starts again.
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

void LoopsBackend::axpby(In x, Out y, const AxpbyArgs& args) {
  const double scale = args.alpha_device.data ? args.alpha * scalar(args.alpha_device) : args.alpha;
  with_floating(x.dtype, [&]<class X>() {
    with_floating(y.dtype, [&]<class Y>() {
      using A = decltype(Accumulator<X>{} + Accumulator<Y>{});
      const X* const in = static_cast<const X*>(x.data);
      Y* const out = static_cast<Y*>(y.data);
      const A alpha = A(scale), beta = A(args.beta);
      parallel_for(threads(), numel(x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
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

}  // namespace mec::cpu::MEC_ISA
