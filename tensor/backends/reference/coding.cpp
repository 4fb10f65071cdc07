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

void run(ReferenceBackend&, const kernel::PowerTraces& call) {
  dispatch_real(call.name, call.traces.dtype, [&]<class T>() {
    const std::size_t highest = call.powers.size();
    for (std::size_t k = 1; k <= static_cast<std::size_t>(call.traces.numel()); ++k) {
      call.traces.as<T>()[k - 1] = k <= highest ? trace<T>(call.powers[k - 1])
                                                : trace_of_product<T>(call.powers[highest - 1], call.powers[k - highest - 1]);
    }
  });
}

void run(ReferenceBackend&, const kernel::MatrixPolynomial& call) {
  const std::int64_t n = call.y.shape[0];
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    for (std::int64_t i = 0; i < n * n; ++i) {
      // Every (n + 1)th element lies on the diagonal.
      T sum = i % (n + 1) == 0 ? T(call.coefficients[0]) : T(0);
      for (std::size_t j = 0; j < call.powers.size(); ++j) sum += T(call.coefficients[j + 1]) * call.powers[j].as<T>()[i];
      call.y.as<T>()[i] = sum;
    }
  });
}

void run(ReferenceBackend&, const kernel::Symmetrize& call) {
  const std::int64_t n = call.x.shape[0];
  dispatch_real(call.name, call.x.dtype, [&]<class T>() {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j)
        call.y.as<T>()[i * n + j] = (call.x.as<T>()[i * n + j] + call.x.as<T>()[j * n + i]) / T(2);
    }
  });
}

void run(ReferenceBackend&, const kernel::CodingScale& call) {
  dispatch_real(call.name, call.u.dtype, [&]<class T>() {
    const functor::CodingScale<T> scalars{call.args.adapt, T(call.args.limit)};
    std::ranges::copy(scalars(call.lambda.as<T>()[0], norm<T>(call.u), norm<T>(call.v)), call.scale.as<T>());
  });
}

void run(ReferenceBackend&, const kernel::CodingLoss& call) {
  dispatch_real(call.name, call.traces.dtype, [&]<class T>() {
    const functor::CodingLoss<T> loss{call.args.order, T(call.args.rows), T(call.args.width), T(call.args.weight)};
    std::ranges::copy(loss(call.traces.as<T>(), call.scale.as<T>()[0]), call.result.as<T>());
  });
}

constinit const CodingKernels coding_kernels = KernelsOf<ReferenceBackend, CodingKernels>::table;

}  // namespace mec::reference
