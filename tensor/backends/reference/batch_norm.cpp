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

// dy where the ReLU lets it through, or dy itself without ReLU.
template <class T, class Affine>
Accumulator<T> through_relu(const In& dy, const In& x, const In& y, const Affine& affine, bool relu, std::int64_t i) {
  using A = Accumulator<T>;
  const A output = y ? A(y.as<T>()[i]) : affine(A(x.as<T>()[i]));
  return relu ? functor::Relu::grad(A(dy.as<T>()[i]), output, output) : A(dy.as<T>()[i]);
}

}  // namespace

// Two passes, since E[x²] − E[x]² loses every digit when the mean is large.
void ReferenceBackend::batch_norm_statistics(In x, Out mean, Out var) {
  const std::int64_t channels = mean.numel(), rows = x.numel() / channels;
  dispatch_floating("batch_norm_statistics", x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t c = 0; c < channels; ++c) {
      const T* column = x.as<T>() + c;
      A sum = 0, squares = 0;
      for (std::int64_t r = 0; r < rows; ++r) sum += A(column[r * channels]);
      const A centre = sum / A(rows);
      for (std::int64_t r = 0; r < rows; ++r) squares += functor::Square::value(A(column[r * channels]) - centre);
      const bool finite = functor::is_finite(centre);
      mean.as<A>()[c] = finite ? centre : std::numeric_limits<A>::quiet_NaN();
      var.as<A>()[c] = finite ? squares / A(rows) : std::numeric_limits<A>::quiet_NaN();
    }
  });
}

void ReferenceBackend::batch_norm_apply(In x, In mean, In var, In gamma, In beta, In add, Out y, const BatchNormArgs& args) {
  const std::int64_t channels = mean.numel();
  dispatch_floating("batch_norm_apply", x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t c = i % channels;
      A value = affine_of<A>(mean, var, gamma, beta, args.eps, c)(A(x.as<T>()[i]));
      if (add) value += A(add.as<T>()[i]);
      y.as<T>()[i] = T(args.relu ? functor::Relu::value(value) : value);
    }
  });
}

void ReferenceBackend::batch_norm_grad_reduce(In dy, In x, In y, In mean, In var, In gamma, In beta, Out dgamma, Out dbeta,
                                              const BatchNormArgs& args) {
  const std::int64_t channels = mean.numel(), rows = x.numel() / channels;
  dispatch_floating("batch_norm_grad_reduce", x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t c = 0; c < channels; ++c) {
      const A centre = mean.as<A>()[c], inv_std = A(1) / std::sqrt(var.as<A>()[c] + A(args.eps));
      const auto affine = affine_of<A>(mean, var, gamma, beta, args.eps, c);
      A sum = 0, product = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t i = r * channels + c;
        const A g = through_relu<T>(dy, x, y, affine, args.relu, i);
        sum += g;
        product += g * (A(x.as<T>()[i]) - centre);
      }
      dgamma.as<A>()[c] = product * inv_std;
      dbeta.as<A>()[c] = sum;
    }
  });
}

void ReferenceBackend::batch_norm_grad_apply(In dy, In x, In y, In mean, In var, In gamma, In beta, In dgamma, In dbeta,
                                             double count, Out dx, Out dadd, const BatchNormArgs& args) {
  const std::int64_t channels = mean.numel();
  dispatch_floating("batch_norm_grad_apply", x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t c = i % channels;
      const auto gradient = functor::BatchNormGrad<A>::of(mean.as<A>()[c], var.as<A>()[c], gamma ? gamma.as<A>()[c] : A(1),
                                                          A(args.eps), dgamma.as<A>()[c], dbeta.as<A>()[c], A(count));
      const A g = through_relu<T>(dy, x, y, affine_of<A>(mean, var, gamma, beta, args.eps, c), args.relu, i);
      dx.as<T>()[i] = T(gradient(g, A(x.as<T>()[i])));  // dx may be dy: g has been read
      if (dadd.data) dadd.as<T>()[i] = T(g);
    }
  });
}

}  // namespace mec::reference
