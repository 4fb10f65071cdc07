#include <cmath>

#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

template <class T> void sgd_range(Team team, T* w, const T* g, T* v, std::int64_t n, functor::SgdStep<T> step) {
  parallel_for(team, n, kGrain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      T weight = w[i], velocity = v[i];
      step(weight, g[i], velocity);
      w[i] = weight;
      v[i] = velocity;
    }
  });
}

template <class T> void adamw_range(Team team, T* w, const T* g, T* m, T* v, std::int64_t n, functor::AdamWStep<T> step) {
  parallel_for(team, n, kGrain, [=](std::int64_t begin, std::int64_t end) {
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

// run(begin, end, trust ratio of the segment) in a buffer of n, for all at once where they have
// none.
template <class T, class F> void for_each_segment(std::int64_t n, In offsets, In trust_ratios, F run) {
  const auto* const ends = static_cast<const std::int64_t*>(offsets.data);
  const std::int64_t segments = numel(offsets.shape) - 1;
  if (!trust_ratios.data) return run(functor::cut_to(n, ends[0]), functor::cut_to(n, ends[segments]), T(1));
  const T* const ratios = static_cast<const T*>(trust_ratios.data);
  for (std::int64_t s = 0; s < segments; ++s) run(functor::cut_to(n, ends[s]), functor::cut_to(n, ends[s + 1]), ratios[s]);
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

void run(LoopsBackend& device, const kernel::SgdUpdate& call) {
  if (functor::is_off(static_cast<const float*>(call.when.data))) return;
  with_real(call.w.dtype, [&]<class T>() {
    const T base = *static_cast<const T*>(call.lr.data) * T(call.args.lr_factor);
    for_each_segment<T>(
        numel(call.w.shape), call.offsets, call.trust_ratios, [&](std::int64_t begin, std::int64_t end, T trust) {
          sgd_range(device.team(), static_cast<T*>(call.w.data) + begin, static_cast<const T*>(call.g.data) + begin,
                    static_cast<T*>(call.v.data) + begin, end - begin,
                    functor::SgdStep<T>{base, trust, T(call.args.momentum), T(call.args.weight_decay)});
        });
  });
}

void run(LoopsBackend& device, const kernel::AdamWUpdate& call) {
  if (functor::is_off(static_cast<const float*>(call.when.data))) return;
  with_real(call.w.dtype, [&]<class T>() {
    auto step = functor::AdamWStep<T>::of(call.args);
    step.read(*static_cast<const T*>(call.lr.data), static_cast<const T*>(call.correction.data));
    for_each_segment<T>(
        numel(call.w.shape), call.offsets, call.trust_ratios, [&](std::int64_t begin, std::int64_t end, T trust) {
          step.trust = trust;
          adamw_range(device.team(), static_cast<T*>(call.w.data) + begin, static_cast<const T*>(call.g.data) + begin,
                      static_cast<T*>(call.m.data) + begin, static_cast<T*>(call.v.data) + begin, end - begin, step);
        });
  });
}

void run(LoopsBackend& device, const kernel::LarsTrustRatios& call) {
  const auto* const ends = static_cast<const std::int64_t*>(call.offsets.data);
  with_real(call.w.dtype, [&]<class T>() {
    const functor::LarsTrustRatio<T> ratio{T(call.args.eta), T(call.args.weight_decay), T(call.args.eps)};
    const T* const weights = static_cast<const T*>(call.w.data);
    const T* const gradients = static_cast<const T*>(call.g.data);
    T* const ratios = static_cast<T*>(call.trust_ratios.data);
    const std::int64_t size = numel(call.w.shape);
    parallel_tasks(device.team(), numel(call.offsets.shape) - 1, [=](std::int64_t s) {
      const std::int64_t begin = functor::cut_to(size, ends[s]), n = functor::cut_to(size, ends[s + 1]) - begin;
      ratios[s] = ratio(norm(weights + begin, n), norm(gradients + begin, n));
    });
  });
}

void run(LoopsBackend& device, const kernel::EmaUpdate& call) {
  if (functor::is_off(static_cast<const float*>(call.when.data))) return;
  with_real(call.w.dtype, [&]<class T>() {
    const functor::EmaStep<T> step{*static_cast<const T*>(call.coefficient.data)};
    T* const t = static_cast<T*>(call.teacher.data);
    const T* const weights = static_cast<const T*>(call.w.data);
    parallel_for(device.team(), numel(call.w.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) {
        T value = t[i];
        step(value, weights[i]);
        t[i] = value;
      }
    });
  });
}

constinit const OptimizerKernels optimizer_kernels = KernelsOf<LoopsBackend, OptimizerKernels>::table;

}  // namespace mec::cpu::MEC_ISA
