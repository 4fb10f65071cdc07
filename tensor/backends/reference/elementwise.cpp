#include <cmath>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

void run(ReferenceBackend&, const kernel::Unary& call) {
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      for (std::int64_t i = 0; i < call.x.numel(); ++i) call.y.as<T>()[i] = T(Op::value(Accumulator<T>(call.x.as<T>()[i])));
    });
  });
}

void run(ReferenceBackend&, const kernel::UnaryGrad& call) {
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      using A = Accumulator<T>;
      for (std::int64_t i = 0; i < call.x.numel(); ++i) {
        const A at = call.x.as<T>()[i];
        call.dx.as<T>()[i] = T(Op::grad(A(call.dy.as<T>()[i]), at, Op::value(at)));
      }
    });
  });
}

void run(ReferenceBackend&, const kernel::Binary& call) {
  dispatch_floating(call.name, call.a.dtype, [&]<class T>() {
    dispatch_op(call.op, [&]<class Op>() {
      using A = Accumulator<T>;
      for (std::int64_t i = 0; i < call.y.numel(); ++i) {
        std::int64_t at_a = 0, at_b = 0, rest = i;
        for (int d = 0; d < call.args.rank; ++d) {
          const std::int64_t place = rest % call.args.sizes[d];
          at_a += place * call.args.a_steps[d];
          at_b += place * call.args.b_steps[d];
          rest /= call.args.sizes[d];
        }
        call.y.as<T>()[i] = T(Op::value(A(call.a.as<T>()[at_a]), A(call.b.as<T>()[at_b])));
      }
    });
  });
}

void run(ReferenceBackend&, const kernel::Axpby& call) {
  dispatch_floating(call.name, call.x.dtype, [&]<class X>() {
    dispatch_floating(call.name, call.y.dtype, [&]<class Y>() {
      using A = std::common_type_t<Accumulator<X>, Accumulator<Y>>;
      A alpha = A(call.args.alpha);
      if (call.factor) dispatch_real(call.name, call.factor.dtype, [&]<class F>() { alpha *= A(call.factor.as<F>()[0]); });
      const A beta = A(call.args.beta);
      for (std::int64_t i = 0; i < call.x.numel(); ++i) {
        Y& out = call.y.as<Y>()[i];
        const A scaled = alpha * A(call.x.as<X>()[i]);
        // With beta 0 y may hold anything, even NaN.
        out = Y(beta == A(0) ? scaled : scaled + beta * A(out));
      }
    });
  });
}

void run(ReferenceBackend&, const kernel::Reduce& call) {
  const std::int64_t columns = call.x.shape.rank() ? call.x.shape.dim(-1) : 1;
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    auto* sums = call.y.as<Accumulator<T>>();
    for (std::int64_t i = 0; i < call.y.numel(); ++i) sums[i] = 0;
    for (std::int64_t i = 0; i < call.x.numel(); ++i) {
      const std::int64_t to = call.how == Reduce::all ? 0 : call.how == Reduce::over_rows ? i % columns : i / columns;
      sums[to] += Accumulator<T>(call.x.as<T>()[i]);
    }
  });
}

void run(ReferenceBackend&, const kernel::AllFinite& call) {
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    bool finite = true;
    for (std::int64_t i = 0; i < call.x.numel(); ++i) finite = finite && std::isfinite(Accumulator<T>(call.x.as<T>()[i]));
    call.flag.as<float>()[0] = finite ? 1.0F : 0.0F;
  });
}

constinit const ElementwiseKernels elementwise_kernels = KernelsOf<ReferenceBackend, ElementwiseKernels>::table;
constinit const ReduceKernels reduce_kernels = KernelsOf<ReferenceBackend, ReduceKernels>::table;

}  // namespace mec::reference
