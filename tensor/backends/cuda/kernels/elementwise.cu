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

// b has `period` elements and starts again.
template <class Op, class T>
SIMT_KERNEL binary_repeated_kernel(const T* a, const T* b, T* y, std::int64_t n, std::int64_t period) {
  using A = Accumulator<T>;
  for_each_index(n, [&](std::int64_t i) { y[i] = T(Op::value(A(a[i]), A(b[i % period]))); });
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

void KernelBackend::unary(UnaryOp op, In x, Out y) {
  const std::int64_t n = x.numel();
  dispatch_floating("unary", x.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      with_packs<T>(n, aligned_for_packs(x.data, y.data), [&]<int V>(const simt::Grid& grid) {
        simt::launch("unary", unary_kernel<Op, V, T>, grid, stream(), x.as<T>(), y.as<T>(), n);
      });
    });
  });
}

void KernelBackend::unary_grad(UnaryOp op, In x, In dy, Out dx) {
  const std::int64_t n = x.numel();
  dispatch_floating("unary_grad", x.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      with_packs<T>(n, aligned_for_packs(x.data, dy.data, dx.data), [&]<int V>(const simt::Grid& grid) {
        simt::launch("unary_grad", unary_grad_kernel<Op, V, T>, grid, stream(), x.as<T>(), dy.as<T>(), dx.as<T>(), n);
      });
    });
  });
}

void KernelBackend::binary(BinaryOp op, In a, In b, Out y) {
  const std::int64_t n = a.numel(), period = b.numel();
  dispatch_floating("binary", a.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      if (period != n) {
        simt::launch("binary", binary_repeated_kernel<Op, T>, grid_for(n), stream(), a.as<T>(), b.as<T>(), y.as<T>(), n,
                     period);
        return;
      }
      with_packs<T>(n, aligned_for_packs(a.data, b.data, y.data), [&]<int V>(const simt::Grid& grid) {
        simt::launch("binary", binary_kernel<Op, V, T>, grid, stream(), a.as<T>(), b.as<T>(), y.as<T>(), n);
      });
    });
  });
}

void KernelBackend::axpby(In x, Out y, const AxpbyArgs& args) {
  const std::int64_t n = x.numel();
  dispatch_floating("axpby", x.dtype, [&]<class X>() {
    dispatch_floating("axpby", y.dtype, [&]<class Y>() {
      using A = decltype(Accumulator<X>{} + Accumulator<Y>{});
      using Narrow = std::conditional_t<sizeof(X) < sizeof(Y), X, Y>;
      with_packs<Narrow>(n, aligned_for_packs(x.data, y.data), [&]<int V>(const simt::Grid& grid) {
        simt::launch("axpby", axpby_kernel<A, V, X, Y>, grid, stream(), x.as<X>(), y.as<Y>(), n, args.alpha,
                     args.alpha_device.as<A>(), args.beta);
      });
    });
  });
}

}  // namespace mec::cuda::MEC_SIMT
