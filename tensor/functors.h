// Element-wise functions, written once for every backend: the CPU tests exercise the same
// expressions that a GPU runs.
//
// T is float or double: bf16 values are widened before and rounded after.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "mec/tensor/host_device.h"

namespace mec {

enum class UnaryOp : std::uint8_t { relu, neg, exp, log, sqrt, square, abs, tanh, sigmoid };
enum class BinaryOp : std::uint8_t { add, sub, mul, div };

namespace functor {

// Each has value(x) and, for the backward rule, grad(dy, x, y) = dy·f'(x) at y = value(x).
struct Relu {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return x > T(0) || x != x ? x : T(0); }  // NaN stays NaN
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T x, T) { return passes(x) ? dy : T(0); }
  // Whether the gradient passes, from ReLU's input or output x. At NaN it passes, as in PyTorch.
  // Where it does not pass, the gradient is 0, whatever dy is.
  template <class T> static MEC_HOST_DEVICE bool passes(T x) { return !(x <= T(0)); }
};
struct Neg {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return -x; }
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T, T) { return -dy; }
};
struct Exp {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return std::exp(x); }
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T, T y) { return dy * y; }
};
struct Log {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return std::log(x); }
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T x, T) { return dy / x; }
};
struct Sqrt {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return std::sqrt(x); }
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T, T y) { return dy / (T(2) * y); }
};
struct Square {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return x * x; }
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T x, T) { return dy * (T(2) * x); }
};
struct Abs {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return std::fabs(x); }
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T x, T) {  // the sign of 0 and of NaN is 0
    return dy * (x > T(0) ? T(1) : (x < T(0) ? T(-1) : T(0)));
  }
};
struct Tanh {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return std::tanh(x); }
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T, T y) { return dy * (T(1) - y * y); }
};
struct Sigmoid {
  template <class T> static MEC_HOST_DEVICE T value(T x) { return T(1) / (T(1) + std::exp(-x)); }
  template <class T> static MEC_HOST_DEVICE T grad(T dy, T, T y) { return dy * (y * (T(1) - y)); }
};

struct Add {
  template <class T> static MEC_HOST_DEVICE T value(T a, T b) { return a + b; }
};
struct Sub {
  template <class T> static MEC_HOST_DEVICE T value(T a, T b) { return a - b; }
};
struct Mul {
  template <class T> static MEC_HOST_DEVICE T value(T a, T b) { return a * b; }
};
struct Div {
  template <class T> static MEC_HOST_DEVICE T value(T a, T b) { return a / b; }
};

// Whether a comes before b in descending order. NaN ranks above every number, as in PyTorch; NaNs
// are equal to each other, and so are zeros of both signs.
template <class T> MEC_HOST_DEVICE inline bool ranks_above(T a, T b) { return a > b || (a != a && b == b); }

template <class T> MEC_HOST_DEVICE inline bool is_finite(T x) { return x - x == T(0); }

// A segment's bound, clamped to a buffer of n elements: offsets in device memory may not have been
// checked.
MEC_HOST_DEVICE inline std::int64_t cut_to(std::int64_t n, std::int64_t bound) { return bound < 0 ? 0 : bound > n ? n : bound; }

// Whether a kernel's flag in device memory, where it has one, tells it to change nothing.
MEC_HOST_DEVICE inline bool is_off(const float* when) { return when && *when == 0; }

// a/√x. On a GPU by rsqrt(): a correctly rounded division and root would branch there, and make one
// channel wait for another.
template <class T> MEC_HOST_DEVICE inline T over_sqrt(T a, T x) {
#ifdef __CUDA_ARCH__
  return a * rsqrt(x);
#else
  return a / std::sqrt(x);
#endif
}

// Batch norm as y = x·scale + shift with scale = γ/√(var+ε), shift = β − mean·scale, made once per
// channel.
template <class T> struct ChannelAffine {
  T scale, shift;
  static MEC_HOST_DEVICE ChannelAffine of(T mean, T var, T gamma, T beta, T eps) {
    const T scale = over_sqrt(gamma, var + eps);
    return {scale, beta - mean * scale};
  }
  MEC_HOST_DEVICE T operator()(T x) const { return x * scale + shift; }
};

// Batch norm backward as dx = g·a + x·b + c per channel, from dx = γ/σ (g − Σg/n − x̂ Σ(g x̂)/n)
// (Ioffe & Szegedy 2015, section 3) with x̂ = (x − mean)/σ; dgamma = Σ g x̂, dbeta = Σ g.
template <class T> struct BatchNormGrad {
  T a, b, c;
  static MEC_HOST_DEVICE BatchNormGrad of(T mean, T var, T gamma, T eps, T dgamma, T dbeta, T count) {
    const T inv_std = over_sqrt(T(1), var + eps);
    const T a = gamma * inv_std;
    const T b = -a * inv_std * dgamma / count;
    return {a, b, -a * dbeta / count - b * mean};
  }
  MEC_HOST_DEVICE T operator()(T g, T x) const { return g * a + x * b + c; }
};

// v ← μv + trust·(g + wd·w); w ← w − lr·v: with trust 1 SGD with momentum as PyTorch defines it,
// else LARS (You, Gitman & Ginsburg 2017, algorithm 1), whose trust ratio enters the momentum.
template <class T> struct SgdStep {
  T lr, trust, momentum, weight_decay;
  MEC_HOST_DEVICE void operator()(T& w, T g, T& v) const {
    v = momentum * v + trust * (g + weight_decay * w);
    w -= lr * v;
  }
};

// m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − lr·trust·(m̂/(√v̂ + ε) + wd·w), m̂ = m/(1−β₁ᵗ),
// v̂ = v/(1−β₂ᵗ) (Loshchilov & Hutter 2019, algorithm 2).
template <class T> struct AdamWStep {
  // rest: 1−β; correction: 1−βᵗ.
  T lr, trust, beta1, rest1, beta2, rest2, correction1, correction2, eps, weight_decay;
  // The numbers on the host in f64, where 1−β keeps its digits; lr and corrections come from
  // device memory.
  template <class Args> static AdamWStep of(const Args& args) {
    return {T(args.lr_factor), T(1), T(args.beta1), T(1 - args.beta1), T(args.beta2),
            T(1 - args.beta2), T(1), T(1),          T(args.eps),       T(args.weight_decay)};
  }
  MEC_HOST_DEVICE void read(T device_lr, const T* correction) {
    lr *= device_lr;
    correction1 = correction[0];
    correction2 = correction[1];
  }
  MEC_HOST_DEVICE void operator()(T& w, T g, T& m, T& v) const {
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * (g * g);
    w -= lr * trust * (m / correction1 / (std::sqrt(v / correction2) + eps) + weight_decay * w);
  }
};

// t ← c·t + (1 − c)·w.
template <class T> struct EmaStep {
  T coefficient;
  MEC_HOST_DEVICE void operator()(T& t, T w) const { t = coefficient * t + (T(1) - coefficient) * w; }
};

// Trust ratio of LARS from the norms of a segment's weights and gradients.
template <class T> struct LarsTrustRatio {
  T eta, weight_decay, eps;
  MEC_HOST_DEVICE T operator()(T w_norm, T g_norm) const {
    return w_norm == T(0) || g_norm == T(0) ? T(1) : eta * w_norm / (g_norm + weight_decay * w_norm + eps);
  }
};

// {λ_eff, ‖λK‖, ‖λ_eff K‖} from λ and the norms of u and v = K u; a zero u counts as a zero K.
template <class T> struct CodingScale {
  bool adapt;
  T limit;
  MEC_HOST_DEVICE std::array<T, 3> operator()(T lambda, T u_norm, T v_norm) const {
    const T norm = u_norm == T(0) ? T(0) : v_norm / u_norm;
    const T scaled = lambda * norm;
    const T effective = adapt && scaled > limit ? lambda * (limit / scaled) : lambda;
    return {effective, scaled, effective * norm};
  }
};

// {−weight·T/(λ_eff·m), weight·μ·T} with T = Σ (−1)^{k+1}/k·traces[k−1] and μ = (m + d)/2.
template <class T> struct CodingLoss {
  std::int64_t order;
  T rows, width, weight;
  MEC_HOST_DEVICE std::array<T, 2> operator()(const T* traces, T lambda) const {
    T sum = T(0);
    for (std::int64_t k = 1; k <= order; ++k) sum += (k % 2 ? traces[k - 1] : -traces[k - 1]) / T(k);
    return {-weight * sum / (lambda * rows), weight * (rows + width) / T(2) * sum};
  }
};

}  // namespace functor

// Calls f.template operator()<Functor>() for the functor of op.
template <class F> decltype(auto) dispatch_op(UnaryOp op, F&& f) {
  switch (op) {
    case UnaryOp::relu: return f.template operator()<functor::Relu>();
    case UnaryOp::neg: return f.template operator()<functor::Neg>();
    case UnaryOp::exp: return f.template operator()<functor::Exp>();
    case UnaryOp::log: return f.template operator()<functor::Log>();
    case UnaryOp::sqrt: return f.template operator()<functor::Sqrt>();
    case UnaryOp::square: return f.template operator()<functor::Square>();
    case UnaryOp::abs: return f.template operator()<functor::Abs>();
    case UnaryOp::tanh: return f.template operator()<functor::Tanh>();
    default: return f.template operator()<functor::Sigmoid>();
  }
}
template <class F> decltype(auto) dispatch_op(BinaryOp op, F&& f) {
  switch (op) {
    case BinaryOp::add: return f.template operator()<functor::Add>();
    case BinaryOp::sub: return f.template operator()<functor::Sub>();
    case BinaryOp::mul: return f.template operator()<functor::Mul>();
    default: return f.template operator()<functor::Div>();
  }
}

}  // namespace mec
