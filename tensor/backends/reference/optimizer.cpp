#include <cmath>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

void ReferenceBackend::sgd_update(Out w, In g, Out v, In rate, In offsets, In segment_rates, const SgdArgs& args) {
  const auto* ends = offsets.as<std::int64_t>();
  const auto cut = [n = w.numel()](std::int64_t bound) { return functor::cut_to(n, bound); };
  dispatch_real("sgd_update", w.dtype, [&]<class T>() {
    const T base = rate.as<T>()[0] * T(args.rate_factor);
    for (std::int64_t s = 0; s + 1 < offsets.numel(); ++s) {
      const functor::SgdStep<T> step{base, segment_rates ? segment_rates.as<T>()[s] : T(1), T(args.momentum),
                                     T(args.weight_decay)};
      for (std::int64_t i = cut(ends[s]); i < cut(ends[s + 1]); ++i) step(w.as<T>()[i], g.as<T>()[i], v.as<T>()[i]);
    }
  });
}

void ReferenceBackend::adamw_update(Out w, In g, Out m, Out v, In rate, In correction, In offsets, In segment_rates,
                                    const AdamWArgs& args) {
  const auto* ends = offsets.as<std::int64_t>();
  const auto cut = [n = w.numel()](std::int64_t bound) { return functor::cut_to(n, bound); };
  dispatch_real("adamw_update", w.dtype, [&]<class T>() {
    auto step = functor::AdamWStep<T>::of(args);
    step.read(rate.as<T>()[0], correction.as<T>());
    for (std::int64_t s = 0; s + 1 < offsets.numel(); ++s) {
      step.trust = segment_rates ? segment_rates.as<T>()[s] : T(1);
      for (std::int64_t i = cut(ends[s]); i < cut(ends[s + 1]); ++i)
        step(w.as<T>()[i], g.as<T>()[i], m.as<T>()[i], v.as<T>()[i]);
    }
  });
}

void ReferenceBackend::lars_rates(In w, In g, In offsets, Out segment_rates, const LarsArgs& args) {
  const auto* ends = offsets.as<std::int64_t>();
  const auto cut = [n = w.numel()](std::int64_t bound) { return functor::cut_to(n, bound); };
  dispatch_real("lars_rates", w.dtype, [&]<class T>() {
    const functor::LarsRate<T> ratio{T(args.eta), T(args.weight_decay), T(args.eps)};
    for (std::int64_t s = 0; s + 1 < offsets.numel(); ++s) {
      T w_squares = 0, g_squares = 0;
      for (std::int64_t i = cut(ends[s]); i < cut(ends[s + 1]); ++i) {
        w_squares += w.as<T>()[i] * w.as<T>()[i];
        g_squares += g.as<T>()[i] * g.as<T>()[i];
      }
      segment_rates.as<T>()[s] = ratio(std::sqrt(w_squares), std::sqrt(g_squares));
    }
  });
}

void ReferenceBackend::ema_update(Out teacher, In w, In coefficient) {
  dispatch_real("ema_update", w.dtype, [&]<class T>() {
    const functor::EmaStep<T> step{coefficient.as<T>()[0]};
    for (std::int64_t i = 0; i < w.numel(); ++i) step(teacher.as<T>()[i], w.as<T>()[i]);
  });
}

}  // namespace mec::reference
