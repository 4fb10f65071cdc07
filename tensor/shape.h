// Sizes of a dense row-major tensor.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>

#include "mec/tensor/error.h"

namespace mec {

// Up to six sizes, slowest first. A scalar has rank 0 and one element.
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  // ShapeError for a negative size, more than six of them, or more than 2^48 elements (which a
  // damaged file may ask for).
  explicit Shape(std::span<const std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
    check<ShapeError>(dims.size() <= kMaxRank, "shape: at most 6 dimensions, but got ", dims.size());
    for (int i = 0; i < rank_; ++i) {
      dims_[i] = dims[i];
      check<ShapeError>(dims_[i] >= 0, "shape: sizes are not negative, but dimension ", i, " is ", dims_[i]);
    }
    std::int64_t room = std::int64_t{1} << 48;
    for (int i = 0; i < rank_; ++i) {
      check<ShapeError>(dims_[i] <= room, "shape: more than 2^48 elements, with ", dims_[i], " in dimension ", i);
      if (dims_[i] > 1) room /= dims_[i];
    }
  }

  int rank() const { return rank_; }
  // Size of dimension i; negative i counts from the last.
  std::int64_t dim(int i) const { return dims_[place_of(i)]; }
  // The shape with another size in dimension i.
  Shape with_dim(int i, std::int64_t size) const {
    auto dims = dims_;
    dims[place_of(i)] = size;
    return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank_)));
  }
  std::int64_t operator[](int i) const { return dims_[i]; }
  std::int64_t numel() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<std::size_t>(rank_)}; }
  bool operator==(const Shape&) const = default;  // unused sizes stay 0, so they compare equal

 private:
  int place_of(int i) const {
    const int at = i < 0 ? rank_ + i : i;
    check<ShapeError>(at >= 0 && at < rank_, "shape: dimension ", i, " of a tensor of rank ", rank_);
    return at;
  }

  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '(';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? "," : "") << shape[i];
  return out << ')';
}

}  // namespace mec
