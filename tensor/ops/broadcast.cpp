#include "mec/tensor/ops/broadcast.h"

#include <algorithm>

namespace mec::ops {

namespace {

// Size of the dimension that is `back` before the last; 1 where there is none.
std::int64_t from_last(const Shape& shape, int back) { return back < shape.rank() ? shape[shape.rank() - 1 - back] : 1; }

}  // namespace

Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::int64_t sizes[Shape::kMaxRank] = {};
  for (int back = 0; back < rank; ++back) {
    const std::int64_t left = from_last(a, back), right = from_last(b, back);
    check<ShapeError>(left == right || left == 1 || right == 1, op, ": shapes ", a, " and ", b, " do not meet: ", left,
                      " against ", right, " in dimension ", -1 - back,
                      ", where sizes are equal or one is 1; reshape or transpose one of them");
    sizes[rank - 1 - back] = left == 1 ? right : left;
  }
  return Shape(std::span<const std::int64_t>(sizes, static_cast<std::size_t>(rank)));
}

BroadcastArgs broadcast(const Shape& y, const Shape& a, const Shape& b) {
  BroadcastArgs args;
  std::int64_t a_size = 1, b_size = 1;  // elements of the operands within the dimensions seen so far
  bool first = true, a_went_on = false, b_went_on = false;
  for (int back = 0; back < y.rank(); ++back) {
    const std::int64_t size = from_last(y, back);
    if (size == 1) continue;
    const bool a_goes_on = from_last(a, back) != 1, b_goes_on = from_last(b, back) != 1;
    if (first || a_goes_on != a_went_on || b_goes_on != b_went_on) {
      const int d = first ? 0 : args.rank++;
      args.sizes[d] = 1;
      args.a_steps[d] = a_goes_on ? a_size : 0;
      args.b_steps[d] = b_goes_on ? b_size : 0;
    }
    args.sizes[args.rank - 1] *= size;
    if (a_goes_on) a_size *= size;
    if (b_goes_on) b_size *= size;
    first = false;
    a_went_on = a_goes_on;
    b_went_on = b_goes_on;
  }
  return args;
}

}  // namespace mec::ops
