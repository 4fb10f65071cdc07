// Checks that operations share. Private to tensor/ops.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>

#include "mec/tensor/backend.h"
#include "mec/tensor/tensor.h"

namespace mec::ops {

inline void check_defined(const char* op, const Tensor& t, const char* what) {
  check<ValueError>(static_cast<bool>(t), op, ": ", what, " is an undefined tensor");
}

// ValueError unless all defined tensors live on one device.
inline void check_device(const char* op, std::initializer_list<const Tensor*> tensors) {
  const Tensor* first = nullptr;
  for (const Tensor* t : tensors) {
    if (!*t) continue;
    if (!first) first = t;
    check<ValueError>(t->device() == first->device(), op, ": inputs live on two different devices, ", first->backend().name(),
                      " and ", t->backend().name(), "; move one with Tensor::to(device)");
  }
}

inline void check_rank(const char* op, const Tensor& t, int rank, const char* what, const char* layout) {
  check_defined(op, t, what);
  check<ShapeError>(t.rank() == rank, op, ": ", what, " must be ", layout, ", but the shape is ", t.shape());
}

inline void check_dtype(const char* op, const Tensor& t, Dtype dtype, const char* what) {
  check_defined(op, t, what);
  check<DtypeError>(t.dtype() == dtype, op, ": ", what, " must be ", dtype, ", but is ", t.dtype());
}

inline void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  check_defined(op, a, "the first tensor");
  check_defined(op, b, "the second tensor");
  check<ShapeError>(a.shape() == b.shape(), op, ": shapes ", a.shape(), " and ", b.shape(), " differ");
}

// DtypeError unless t has a floating dtype that its device computes in.
inline void check_floating(const char* op, const Tensor& t, const char* what) {
  check_defined(op, t, what);
  check<DtypeError>(is_floating(t.dtype()) && t.backend().supports(t.dtype()), op, ": ", what, " is ", t.dtype(),
                    ", which the ", t.backend().name(), " device does not compute in");
}

inline void check_real(const char* op, const Tensor& t, const char* what) {
  check_floating(op, t, what);
  check<DtypeError>(t.dtype() != Dtype::bf16, op, ": ", what,
                    " must be f32 or f64, but is bf16; convert it with to(Dtype::f32)");
}

// A flag that kernels read from device memory: (1), f32, as all_finite() makes it.
inline void check_flag(const char* op, const Tensor& flag) {
  check_dtype(op, flag, Dtype::f32, "the flag");
  check<ShapeError>(flag.numel() == 1, op, ": the flag is one number, but its shape is ", flag.shape());
}

// In the dtype in which x's elements are computed: bf16 as f32.
inline Tensor widened(const Tensor& x) { return x.to(accumulator_of(x.dtype())); }

// The values of labels, indices or bounds, where the host can read them. Where it cannot, there are
// none to look at, and kernels keep to their own rule (backend.h).
template <class T> std::span<const T> readable(const Tensor& t) {
  if (!t.backend().host_readable()) return {};
  return {In(t).as<T>(), static_cast<std::size_t>(t.numel())};
}

// ValueError unless each value is in [low, high): "gather_rows: index 2 is 7, but " and the parts
// of the rule.
template <class T, class... Parts>
void check_each(const char* op, const Tensor& t, std::int64_t low, std::int64_t high, const char* what, const Parts&... rule) {
  const std::span<const T> values = readable<T>(t);
  for (std::size_t i = 0; i < values.size(); ++i) {
    check<ValueError>(values[i] >= low && values[i] < high, op, ": ", what, " ", i, " is ", values[i], ", but ", rule...);
  }
}

}  // namespace mec::ops
