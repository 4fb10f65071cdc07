#include <cmath>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

void run(ReferenceBackend&, const kernel::SgdUpdate& call) {
  if (functor::is_off(call.when.as<float>())) return;
  const auto* ends = call.offsets.as<std::int64_t>();
  const auto cut = [n = call.w.numel()](std::int64_t bound) { return functor::cut_to(n, bound); };
  dispatch_real(call.name, call.w.dtype, [&]<class T>() {
    const T base = call.lr.as<T>()[0] * T(call.args.lr_factor);
    for (std::int64_t s = 0; s + 1 < call.offsets.numel(); ++s) {
      const functor::SgdStep<T> step{base, call.trust_ratios ? call.trust_ratios.as<T>()[s] : T(1), T(call.args.momentum),
                                     T(call.args.weight_decay)};
      for (std::int64_t i = cut(ends[s]); i < cut(ends[s + 1]); ++i)
        step(call.w.as<T>()[i], call.g.as<T>()[i], call.v.as<T>()[i]);
    }
  });
}

void run(ReferenceBackend&, const kernel::AdamWUpdate& call) {
  if (functor::is_off(call.when.as<float>())) return;
  const auto* ends = call.offsets.as<std::int64_t>();
  const auto cut = [n = call.w.numel()](std::int64_t bound) { return functor::cut_to(n, bound); };
  dispatch_real(call.name, call.w.dtype, [&]<class T>() {
    auto step = functor::AdamWStep<T>::of(call.args);
    step.read(call.lr.as<T>()[0], call.correction.as<T>());
    for (std::int64_t s = 0; s + 1 < call.offsets.numel(); ++s) {
      step.trust = call.trust_ratios ? call.trust_ratios.as<T>()[s] : T(1);
      for (std::int64_t i = cut(ends[s]); i < cut(ends[s + 1]); ++i)
        step(call.w.as<T>()[i], call.g.as<T>()[i], call.m.as<T>()[i], call.v.as<T>()[i]);
    }
  });
}

void run(ReferenceBackend&, const kernel::LarsTrustRatios& call) {
  const auto* ends = call.offsets.as<std::int64_t>();
  const auto cut = [n = call.w.numel()](std::int64_t bound) { return functor::cut_to(n, bound); };
  dispatch_real(call.name, call.w.dtype, [&]<class T>() {
    const functor::LarsTrustRatio<T> ratio{T(call.args.eta), T(call.args.weight_decay), T(call.args.eps)};
    for (std::int64_t s = 0; s + 1 < call.offsets.numel(); ++s) {
      T w_squares = 0, g_squares = 0;
      for (std::int64_t i = cut(ends[s]); i < cut(ends[s + 1]); ++i) {
        w_squares += call.w.as<T>()[i] * call.w.as<T>()[i];
        g_squares += call.g.as<T>()[i] * call.g.as<T>()[i];
      }
      call.trust_ratios.as<T>()[s] = ratio(std::sqrt(w_squares), std::sqrt(g_squares));
    }
  });
}

void run(ReferenceBackend&, const kernel::EmaUpdate& call) {
  if (functor::is_off(call.when.as<float>())) return;
  dispatch_real(call.name, call.w.dtype, [&]<class T>() {
    const functor::EmaStep<T> step{call.coefficient.as<T>()[0]};
    for (std::int64_t i = 0; i < call.w.numel(); ++i) step(call.teacher.as<T>()[i], call.w.as<T>()[i]);
  });
}

constinit const OptimizerKernels optimizer_kernels = KernelsOf<ReferenceBackend, OptimizerKernels>::table;

}  // namespace mec::reference
