#include <cmath>

#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

template <class T> void sgd_range(int threads, T* w, const T* g, T* v, std::int64_t n, functor::SgdStep<T> step) {
  parallel_for(threads, n, kGrain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      T weight = w[i], velocity = v[i];
      step(weight, g[i], velocity);
      w[i] = weight;
      v[i] = velocity;
    }
  });
}

template <class T> void adamw_range(int threads, T* w, const T* g, T* m, T* v, std::int64_t n, functor::AdamWStep<T> step) {
  parallel_for(threads, n, kGrain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      T weight = w[i], first = m[i], second = v[i];
      step(weight, g[i], first, second);
      w[i] = weight;
      m[i] = first;
      v[i] = second;
    }
  });
}

// run(begin, end, rate of the segment) in a buffer of n, for all at once where they have no rates
// of their own.
template <class T, class F> void for_each_segment(std::int64_t n, In offsets, In segment_rates, F run) {
  const auto* const ends = static_cast<const std::int64_t*>(offsets.data);
  const std::int64_t segments = numel(offsets.shape) - 1;
  if (!segment_rates.data) return run(functor::cut_to(n, ends[0]), functor::cut_to(n, ends[segments]), T(1));
  const T* const rates = static_cast<const T*>(segment_rates.data);
  for (std::int64_t s = 0; s < segments; ++s) run(functor::cut_to(n, ends[s]), functor::cut_to(n, ends[s + 1]), rates[s]);
}

// ‖x‖ from sums over pieces, put together in f64: a layer has millions of elements.
template <class T> T norm(const T* x, std::int64_t n) {
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += kGrain) {
    const std::int64_t end = smaller(n, begin + kGrain);
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = begin; i < end; ++i) sum += x[i] * x[i];
    total += static_cast<double>(sum);
  }
  return T(std::sqrt(total));
}

}  // namespace

void LoopsBackend::sgd_update(Out w, In g, Out v, In rate, In offsets, In segment_rates, const SgdArgs& args) {
  with_real(w.dtype, [&]<class T>() {
    const T base = *static_cast<const T*>(rate.data) * T(args.rate_factor);
    for_each_segment<T>(numel(w.shape), offsets, segment_rates, [&](std::int64_t begin, std::int64_t end, T trust) {
      sgd_range(threads(), static_cast<T*>(w.data) + begin, static_cast<const T*>(g.data) + begin,
                static_cast<T*>(v.data) + begin, end - begin,
                functor::SgdStep<T>{base, trust, T(args.momentum), T(args.weight_decay)});
    });
  });
}

void LoopsBackend::adamw_update(Out w, In g, Out m, Out v, In rate, In correction, In offsets, In segment_rates,
                                const AdamWArgs& args) {
  with_real(w.dtype, [&]<class T>() {
    auto step = functor::AdamWStep<T>::of(args);
    step.read(*static_cast<const T*>(rate.data), static_cast<const T*>(correction.data));
    for_each_segment<T>(numel(w.shape), offsets, segment_rates, [&](std::int64_t begin, std::int64_t end, T trust) {
      step.trust = trust;
      adamw_range(threads(), static_cast<T*>(w.data) + begin, static_cast<const T*>(g.data) + begin,
                  static_cast<T*>(m.data) + begin, static_cast<T*>(v.data) + begin, end - begin, step);
    });
  });
}

void LoopsBackend::lars_rates(In w, In g, In offsets, Out segment_rates, const LarsArgs& args) {
  const auto* const ends = static_cast<const std::int64_t*>(offsets.data);
  with_real(w.dtype, [&]<class T>() {
    const functor::LarsRate<T> ratio{T(args.eta), T(args.weight_decay), T(args.eps)};
    const T* const weights = static_cast<const T*>(w.data);
    const T* const gradients = static_cast<const T*>(g.data);
    T* const rates = static_cast<T*>(segment_rates.data);
    const std::int64_t size = numel(w.shape);
    parallel_tasks(threads(), numel(offsets.shape) - 1, [=](std::int64_t s) {
      const std::int64_t begin = functor::cut_to(size, ends[s]), n = functor::cut_to(size, ends[s + 1]) - begin;
      rates[s] = ratio(norm(weights + begin, n), norm(gradients + begin, n));
    });
  });
}

void LoopsBackend::ema_update(Out teacher, In w, In coefficient) {
  with_real(w.dtype, [&]<class T>() {
    const functor::EmaStep<T> step{*static_cast<const T*>(coefficient.data)};
    T* const t = static_cast<T*>(teacher.data);
    const T* const weights = static_cast<const T*>(w.data);
    parallel_for(threads(), numel(w.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) {
        T value = t[i];
        step(value, weights[i]);
        t[i] = value;
      }
    });
  });
}

}  // namespace mec::cpu::MEC_ISA
