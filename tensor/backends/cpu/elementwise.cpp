#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

// y[i] = a[i·AStep] ∘ b[i·BStep] along a stretch; a step of 0 or 1 that the compiler knows makes
// vectors.
template <class Op, int AStep, int BStep, class T> void binary_stretch(const T* a, const T* b, T* y, std::int64_t n) {
  using A = Accumulator<T>;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) put(y[i], Op::value(A(a[i * AStep]), A(b[i * BStep])));
}

}  // namespace

// No `omp simd` on the next two: some of the functions have no vector form, and clang warns where
// it cannot vectorise a loop.
void run(LoopsBackend& device, const kernel::Unary& call) {
  with_floating(call.x.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      const T* const in = static_cast<const T*>(call.x.data);
      T* const out = static_cast<T*>(call.y.data);
      parallel_for(device.team(), numel(call.x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
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
      parallel_for(device.team(), numel(call.x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const A at = A(in[i]);
          put(out[i], Op::grad(A(gradient[i]), at, Op::value(at)));
        }
      });
    });
  });
}

void run(LoopsBackend& device, const kernel::Binary& call) {
  with_floating(call.a.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      const T* const left = static_cast<const T*>(call.a.data);
      const T* const right = static_cast<const T*>(call.b.data);
      T* const out = static_cast<T*>(call.y.data);
      const BroadcastArgs args = call.args;
      parallel_for(device.team(), numel(call.y.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
        // Stretches along the fastest dimension.
        for (std::int64_t start = begin; start < end;) {
          const std::int64_t place = start % args.sizes[0], length = smaller(end - start, args.sizes[0] - place);
          const T* a = left + place * args.a_steps[0];
          const T* b = right + place * args.b_steps[0];
          std::int64_t rest = start / args.sizes[0];
          for (int d = 1; d < args.rank; ++d) {
            a += rest % args.sizes[d] * args.a_steps[d];
            b += rest % args.sizes[d] * args.b_steps[d];
            rest /= args.sizes[d];
          }
          if (args.a_steps[0] && args.b_steps[0]) binary_stretch<Op, 1, 1>(a, b, out + start, length);
          else if (args.a_steps[0]) binary_stretch<Op, 1, 0>(a, b, out + start, length);
          else if (args.b_steps[0]) binary_stretch<Op, 0, 1>(a, b, out + start, length);
          else binary_stretch<Op, 0, 0>(a, b, out + start, length);
          start += length;
        }
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
      parallel_for(device.team(), numel(call.x.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
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
