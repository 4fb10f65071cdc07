// What a kernel sees of a tensor that it writes (Out) or reads (In): address, sizes, type. It owns
// nothing; without data it stands for a tensor that is not given.
#pragma once

#include <cstdint>

#include "mec/tensor/dtype.h"
#include "mec/tensor/shape.h"

namespace mec {

struct Out {
  void* data = nullptr;
  Shape shape;
  Dtype dtype = Dtype::f32;

  template <class T> T* as() const { return static_cast<T*>(data); }
  std::int64_t numel() const { return shape.numel(); }
};

struct In {
  const void* data = nullptr;
  Shape shape;
  Dtype dtype = Dtype::f32;

  In() = default;
  In(const Out& v) : data(v.data), shape(v.shape), dtype(v.dtype) {}
  In(const void* d, const Shape& s, Dtype t) : data(d), shape(s), dtype(t) {}
  explicit operator bool() const { return data != nullptr; }
  template <class T> const T* as() const { return static_cast<const T*>(data); }
  std::int64_t numel() const { return shape.numel(); }
};

}  // namespace mec
