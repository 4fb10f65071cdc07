#include <limits>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {
namespace {

template <class A>
functor::ChannelAffine<A> affine_of(const In& mean, const In& var, const In& gamma, const In& beta, double eps,
                                    std::int64_t c) {
  return functor::ChannelAffine<A>::of(mean.as<A>()[c], var.as<A>()[c], gamma ? gamma.as<A>()[c] : A(1),
                                       beta ? beta.as<A>()[c] : A(0), A(eps));
}

// dy[i] where the ReLU lets it through, else 0; without ReLU, dy[i] itself.
template <class T, class Affine>
Accumulator<T> through_relu(const In& dy, const In& x, const In& y, const Affine& affine, bool relu, std::int64_t i) {
  using A = Accumulator<T>;
  const A output = y ? A(y.as<T>()[i]) : affine(A(x.as<T>()[i]));
  return relu ? functor::Relu::grad(A(dy.as<T>()[i]), output, output) : A(dy.as<T>()[i]);
}

}  // namespace

// Two passes, since E[x²] − E[x]² loses every digit when the mean is large.
void run(ReferenceBackend&, const kernel::BatchNormStatistics& call) {
  const std::int64_t channels = call.mean.numel(), rows = call.x.numel() / channels;
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t c = 0; c < channels; ++c) {
      const T* column = call.x.as<T>() + c;
      A sum = 0, squares = 0;
      for (std::int64_t r = 0; r < rows; ++r) sum += A(column[r * channels]);
      const A centre = sum / A(rows);
      for (std::int64_t r = 0; r < rows; ++r) squares += functor::Square::value(A(column[r * channels]) - centre);
      const bool finite = functor::is_finite(centre);
      call.mean.as<A>()[c] = finite ? centre : std::numeric_limits<A>::quiet_NaN();
      call.var.as<A>()[c] = finite ? squares / A(rows) : std::numeric_limits<A>::quiet_NaN();
    }
  });
}

void run(ReferenceBackend&, const kernel::BatchNormApply& call) {
  const std::int64_t channels = call.mean.numel();
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t i = 0; i < call.x.numel(); ++i) {
      const std::int64_t c = i % channels;
      A value = affine_of<A>(call.mean, call.var, call.gamma, call.beta, call.args.eps, c)(A(call.x.as<T>()[i]));
      if (call.add) value += A(call.add.as<T>()[i]);
      call.y.as<T>()[i] = T(call.args.relu ? functor::Relu::value(value) : value);
    }
  });
}

void run(ReferenceBackend&, const kernel::BatchNormGradReduce& call) {
  const std::int64_t channels = call.mean.numel(), rows = call.x.numel() / channels;
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t c = 0; c < channels; ++c) {
      const A centre = call.mean.as<A>()[c], inv_std = A(1) / std::sqrt(call.var.as<A>()[c] + A(call.args.eps));
      const auto affine = affine_of<A>(call.mean, call.var, call.gamma, call.beta, call.args.eps, c);
      A sum = 0, product = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t i = r * channels + c;
        const A g = through_relu<T>(call.dy, call.x, call.y, affine, call.args.relu, i);
        sum += g;
        product += g * (A(call.x.as<T>()[i]) - centre);
      }
      call.dgamma.as<A>()[c] = product * inv_std;
      call.dbeta.as<A>()[c] = sum;
    }
  });
}

void run(ReferenceBackend&, const kernel::BatchNormGradApply& call) {
  const std::int64_t channels = call.mean.numel();
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t i = 0; i < call.x.numel(); ++i) {
      const std::int64_t c = i % channels;
      const auto gradient =
          functor::BatchNormGrad<A>::of(call.mean.as<A>()[c], call.var.as<A>()[c], call.gamma ? call.gamma.as<A>()[c] : A(1),
                                        A(call.args.eps), call.dgamma.as<A>()[c], call.dbeta.as<A>()[c], A(call.count));
      const A g =
          through_relu<T>(call.dy, call.x, call.y, affine_of<A>(call.mean, call.var, call.gamma, call.beta, call.args.eps, c),
                          call.args.relu, i);
      call.dx.as<T>()[i] = T(gradient(g, A(call.x.as<T>()[i])));  // dx may be dy: g has been read
      if (call.dadd.data) call.dadd.as<T>()[i] = T(g);
    }
  });
}

constinit const BatchNormKernels batch_norm_kernels = KernelsOf<ReferenceBackend, BatchNormKernels>::table;

}  // namespace mec::reference
