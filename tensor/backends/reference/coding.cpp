#include <algorithm>
#include <cmath>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {
namespace {

template <class T> T norm(const In& x) {
  T squares = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) squares += x.as<T>()[i] * x.as<T>()[i];
  return std::sqrt(squares);
}

// tr A
template <class T> T trace(const In& a) {
  const std::int64_t n = a.shape[0];
  T sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a.as<T>()[i * n + i];
  return sum;
}

// tr AB = Σ a_ij b_ji, without the product
template <class T> T trace_of_product(const In& a, const In& b) {
  const std::int64_t n = a.shape[0];
  T sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) sum += a.as<T>()[i * n + j] * b.as<T>()[j * n + i];
  }
  return sum;
}

}  // namespace

void ReferenceBackend::power_traces(std::span<const In> powers, Out traces) {
  dispatch_real("power_traces", traces.dtype, [&]<class T>() {
    const std::size_t highest = powers.size();
    for (std::size_t k = 1; k <= static_cast<std::size_t>(traces.numel()); ++k) {
      traces.as<T>()[k - 1] =
          k <= highest ? trace<T>(powers[k - 1]) : trace_of_product<T>(powers[highest - 1], powers[k - highest - 1]);
    }
  });
}

void ReferenceBackend::matrix_polynomial(std::span<const In> powers, std::span<const double> coefficients, Out y) {
  const std::int64_t n = y.shape[0];
  dispatch_real("matrix_polynomial", y.dtype, [&]<class T>() {
    for (std::int64_t i = 0; i < n * n; ++i) {
      // Every n + 1 elements lies the diagonal.
      T sum = i % (n + 1) == 0 ? T(coefficients[0]) : T(0);
      for (std::size_t j = 0; j < powers.size(); ++j) sum += T(coefficients[j + 1]) * powers[j].as<T>()[i];
      y.as<T>()[i] = sum;
    }
  });
}

void ReferenceBackend::symmetrize(In x, Out y) {
  const std::int64_t n = x.shape[0];
  dispatch_real("symmetrize", x.dtype, [&]<class T>() {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) y.as<T>()[i * n + j] = (x.as<T>()[i * n + j] + x.as<T>()[j * n + i]) / T(2);
    }
  });
}

void ReferenceBackend::coding_scale(In lambda, In u, In v, Out scale, const CodingScaleArgs& args) {
  dispatch_real("coding_scale", u.dtype, [&]<class T>() {
    const functor::CodingScale<T> scalars{args.adapt, T(args.limit)};
    std::ranges::copy(scalars(lambda.as<T>()[0], norm<T>(u), norm<T>(v)), scale.as<T>());
  });
}

void ReferenceBackend::coding_loss(In traces, In scale, Out result, const CodingLossArgs& args) {
  dispatch_real("coding_loss", traces.dtype, [&]<class T>() {
    const functor::CodingLoss<T> loss{args.order, T(args.rows), T(args.width), T(args.weight)};
    std::ranges::copy(loss(traces.as<T>(), scale.as<T>()[0]), result.as<T>());
  });
}

}  // namespace mec::reference
