#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"

namespace mec::cuda::MEC_SIMT {
namespace {

template <class Op, int V, class T> SIMT_KERNEL unary_kernel(const T* x, T* y, std::int64_t n) {
  map_elements<V>(
      n, y, [](T a) { return Op::value(Accumulator<T>(a)); }, x);
}

template <class Op, int V, class T> SIMT_KERNEL unary_grad_kernel(const T* x, const T* dy, T* dx, std::int64_t n) {
  using A = Accumulator<T>;
  map_elements<V>(
      n, dx, [](T at, T gradient) { return Op::grad(A(gradient), A(at), Op::value(A(at))); }, x, dy);
}

template <class Op, int V, class T> SIMT_KERNEL binary_kernel(const T* a, const T* b, T* y, std::int64_t n) {
  using A = Accumulator<T>;
  map_elements<V>(
      n, y, [](T left, T right) { return Op::value(A(left), A(right)); }, a, b);
}

template <class Op, class T>
SIMT_KERNEL binary_broadcast_kernel(const T* a, const T* b, T* y, std::int64_t n, BroadcastArgs args) {
  using A = Accumulator<T>;
  for_each_index(n, [&](std::int64_t i) {
    std::int64_t at_a = 0, at_b = 0, rest = i;
    const int slowest = args.rank - 1;
    for (int d = 0; d < slowest; ++d) {
      const std::int64_t place = rest % args.sizes[d];
      at_a += place * args.a_steps[d];
      at_b += place * args.b_steps[d];
      rest /= args.sizes[d];
    }
    y[i] = T(Op::value(A(a[at_a + rest * args.a_steps[slowest]]), A(b[at_b + rest * args.b_steps[slowest]])));
  });
}

template <class A, int V, class X, class Y>
SIMT_KERNEL axpby_kernel(const X* x, Y* y, std::int64_t n, double factor, const A* factor_device, double beta) {
  const A alpha = A(factor_device ? factor * double(*factor_device) : factor), b = A(beta);
  if (b == A(0)) {  // y may hold anything, even NaN
    map_elements<V>(
        n, y, [=](X value) { return alpha * A(value); }, x);
  } else {
    map_elements<V>(
        n, y, [=](X value, Y old) { return alpha * A(value) + b * A(old); }, x, y);
  }
}

}  // namespace

void run(KernelBackend& device, const kernel::Unary& call) {
  const std::int64_t n = call.x.numel();
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      device.with_packs<T>(n, aligned_for_packs(call.x.data, call.y.data), [&]<int V>(const simt::Grid& grid) {
        simt::launch(call.name, unary_kernel<Op, V, T>, grid, device.stream(), call.x.as<T>(), call.y.as<T>(), n);
      });
    });
  });
}

void run(KernelBackend& device, const kernel::UnaryGrad& call) {
  const std::int64_t n = call.x.numel();
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      device.with_packs<T>(n, aligned_for_packs(call.x.data, call.dy.data, call.dx.data), [&]<int V>(const simt::Grid& grid) {
        simt::launch(call.name, unary_grad_kernel<Op, V, T>, grid, device.stream(), call.x.as<T>(), call.dy.as<T>(),
                     call.dx.as<T>(), n);
      });
    });
  });
}

void run(KernelBackend& device, const kernel::Binary& call) {
  const std::int64_t n = call.y.numel();
  const bool repeated = call.args.rank > 1 || call.args.a_steps[0] == 0 || call.args.b_steps[0] == 0;
  dispatch_floating(call.name, call.a.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      if (repeated) {
        simt::launch(call.name, binary_broadcast_kernel<Op, T>, device.grid_for(n), device.stream(), call.a.as<T>(),
                     call.b.as<T>(), call.y.as<T>(), n, call.args);
        return;
      }
      device.with_packs<T>(n, aligned_for_packs(call.a.data, call.b.data, call.y.data), [&]<int V>(const simt::Grid& grid) {
        simt::launch(call.name, binary_kernel<Op, V, T>, grid, device.stream(), call.a.as<T>(), call.b.as<T>(), call.y.as<T>(),
                     n);
      });
    });
  });
}

void run(KernelBackend& device, const kernel::Axpby& call) {
  const std::int64_t n = call.x.numel();
  dispatch_floating(call.name, call.x.dtype, [&]<class X>() {
    dispatch_floating(call.name, call.y.dtype, [&]<class Y>() {
      using A = decltype(Accumulator<X>{} + Accumulator<Y>{});
      using Narrow = std::conditional_t<sizeof(X) < sizeof(Y), X, Y>;
      device.with_packs<Narrow>(n, aligned_for_packs(call.x.data, call.y.data), [&]<int V>(const simt::Grid& grid) {
        simt::launch(call.name, axpby_kernel<A, V, X, Y>, grid, device.stream(), call.x.as<X>(), call.y.as<Y>(), n,
                     call.args.alpha, call.factor.as<A>(), call.args.beta);
      });
    });
  });
}

constinit const ElementwiseKernels elementwise_kernels = KernelsOf<KernelBackend, ElementwiseKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
