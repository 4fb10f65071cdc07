#include <cmath>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

void ReferenceBackend::unary(UnaryOp op, In x, Out y) {
  dispatch_floating("unary", x.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      for (std::int64_t i = 0; i < x.numel(); ++i) y.as<T>()[i] = T(Op::value(Accumulator<T>(x.as<T>()[i])));
    });
  });
}

void ReferenceBackend::unary_grad(UnaryOp op, In x, In dy, Out dx) {
  dispatch_floating("unary_grad", x.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      using A = Accumulator<T>;
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        const A at = x.as<T>()[i];
        dx.as<T>()[i] = T(Op::grad(A(dy.as<T>()[i]), at, Op::value(at)));
      }
    });
  });
}

void ReferenceBackend::binary(BinaryOp op, In a, In b, Out y) {
  dispatch_floating("binary", a.dtype, [&]<class T>() {
    dispatch_op(op, [&]<class Op>() {
      using A = Accumulator<T>;
      const std::int64_t period = b.numel();
      for (std::int64_t i = 0; i < a.numel(); ++i) {
        y.as<T>()[i] = T(Op::value(A(a.as<T>()[i]), A(b.as<T>()[i % period])));
      }
    });
  });
}

void ReferenceBackend::axpby(In x, Out y, const AxpbyArgs& args) {
  const auto& factor = args.alpha_device;
  dispatch_floating("axpby", x.dtype, [&]<class X>() {
    dispatch_floating("axpby", y.dtype, [&]<class Y>() {
      using A = std::common_type_t<Accumulator<X>, Accumulator<Y>>;
      A alpha = A(args.alpha);
      if (factor) dispatch_real("axpby", factor.dtype, [&]<class F>() { alpha *= A(factor.as<F>()[0]); });
      const A beta = A(args.beta);
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        Y& out = y.as<Y>()[i];
        const A scaled = alpha * A(x.as<X>()[i]);
        // With beta 0 y may hold anything, even NaN.
        out = Y(beta == A(0) ? scaled : scaled + beta * A(out));
      }
    });
  });
}

void ReferenceBackend::reduce(Reduce how, In x, Out y) {
  const std::int64_t columns = x.shape.rank() ? x.shape.dim(-1) : 1;
  dispatch_floating("reduce", x.dtype, [&]<class T>() {
    auto* sums = y.as<Accumulator<T>>();
    for (std::int64_t i = 0; i < y.numel(); ++i) sums[i] = 0;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t to = how == Reduce::all ? 0 : how == Reduce::over_rows ? i % columns : i / columns;
      sums[to] += Accumulator<T>(x.as<T>()[i]);
    }
  });
}

void ReferenceBackend::all_finite(In x, Out flag) {
  dispatch_floating("all_finite", x.dtype, [&]<class T>() {
    bool finite = true;
    for (std::int64_t i = 0; i < x.numel(); ++i) finite = finite && std::isfinite(Accumulator<T>(x.as<T>()[i]));
    flag.as<float>()[0] = finite ? 1.0F : 0.0F;
  });
}

}  // namespace mec::reference
