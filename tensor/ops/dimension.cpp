#include "mec/tensor/ops/dimension.h"

#include <limits>

#include "mec/tensor/ops/broadcast.h"
#include "mec/tensor/ops/common.h"
#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/matmul.h"
#include "mec/tensor/ops/rows.h"

namespace mec {
using namespace ops;

namespace {

// A shape as (before, size, after) of one of its dimensions.
struct Place {
  int dim;  // counted from 0
  std::int64_t before = 1, size = 1, after = 1;
};

Place place_of(const char* op, const Shape& shape, int dim) {
  check<ShapeError>(dim >= -shape.rank() && dim < shape.rank(), op, ": dimension ", dim, " of ", shape,
                    " was asked for, which has ", shape.rank(),
                    shape.rank() == 0 ? " dimensions; reshape it to {1}" : " dimensions");
  Place place{.dim = dim < 0 ? dim + shape.rank() : dim};
  for (int i = 0; i < place.dim; ++i) place.before *= shape[i];
  place.size = shape[place.dim];
  for (int i = place.dim + 1; i < shape.rank(); ++i) place.after *= shape[i];
  return place;
}

// A matrix (before·after, size) whose rows run along the dimension.
Tensor rows_along(const Tensor& x, const Place& at) {
  if (at.after == 1) return x.reshape({at.before, at.size});
  return transpose(x.reshape({at.before * at.size, at.after})).reshape({at.after * at.before, at.size});
}

// Back from rows of any length, with that length in the dimension.
Tensor from_rows(const Tensor& rows, const Shape& x, const Place& at) {
  const std::int64_t length = rows.dim(1);
  const Shape shape = x.with_dim(at.dim, length);
  if (at.after == 1) return rows.reshape(shape);
  return transpose(rows.reshape({at.after, at.before * length})).reshape(shape);
}

// A matrix (size, before·after) of which a range of rows is a range of the dimension.
Tensor dimension_first(const Tensor& x, const Place& at) {
  if (at.before == 1) return x.reshape({at.size, at.after});
  return transpose(x.reshape({at.before, at.size * at.after})).reshape({at.size, at.after * at.before});
}

Tensor from_dimension_first(const Tensor& rows, const Shape& x, const Place& at) {
  const std::int64_t length = rows.dim(0);
  const Shape shape = x.with_dim(at.dim, length);
  if (at.before == 1) return rows.reshape(shape);
  return transpose(rows.reshape({length * at.after, at.before})).reshape(shape);
}

// x's shape without the dimension, or with size 1 there.
Shape reduced(const Shape& x, const Place& at, bool keepdim) {
  if (keepdim) return x.with_dim(at.dim, 1);
  std::int64_t sizes[Shape::kMaxRank] = {};
  int rank = 0;
  for (int i = 0; i < x.rank(); ++i) {
    if (i != at.dim) sizes[rank++] = x[i];
  }
  return Shape(std::span<const std::int64_t>(sizes, static_cast<std::size_t>(rank)));
}

Tensor sum_along(const char* op, const Tensor& x, int dim, bool keepdim) {
  check_floating(op, x, "the input");
  const Place at = place_of(op, x.shape(), dim);
  const auto sums = [&] {
    if (at.before == 1 && at.after == 1) return reduce(Reduce::all, x);
    if (at.before == 1) return reduce(Reduce::over_rows, x.reshape({at.size, at.after}));
    const Tensor rows = reduce(Reduce::over_columns, rows_along(x, at));
    return from_rows(rows.reshape({rows.numel(), 1}), x.shape(), at);
  };
  return sums().reshape(reduced(x.shape(), at, keepdim));
}

Tensor softmax_along(const char* op, const Tensor& x, int dim, bool log) {
  check_floating(op, x, "the input");
  const Place at = place_of(op, x.shape(), dim);
  const Tensor rows = rows_along(widened(x), at);
  const Tensor y(rows.shape(), rows.dtype(), rows.device());
  rows.backend().run(kernel::Softmax{rows, y, log});
  return from_rows(y, x.shape(), at).to(x.dtype());
}

Tensor softmax_grad_along(const char* op, const Tensor& y, const Tensor& dy, int dim, bool log) {
  check_floating(op, y, "the result");
  check_same_shape(op, y, dy);
  check_dtype(op, dy, y.dtype(), "the gradient");
  check_device(op, {&y, &dy});
  const Place at = place_of(op, y.shape(), dim);
  const Tensor result = rows_along(widened(y), at), gradient = rows_along(widened(dy), at);
  const Tensor dx(result.shape(), result.dtype(), result.device());
  result.backend().run(kernel::SoftmaxGrad{result, gradient, dx, log});
  return from_rows(dx, y.shape(), at).to(y.dtype());
}

}  // namespace

Tensor sum(const Tensor& x, int dim, bool keepdim) { return sum_along("sum", x, dim, keepdim); }

Tensor mean(const Tensor& x, int dim, bool keepdim) {
  const Tensor sums = sum_along("mean", x, dim, keepdim);
  return scale(sums, 1.0 / static_cast<double>(x.dim(dim)));
}

Tensor sum_to_size(const Tensor& x, const Shape& shape) {
  check_floating("sum_to_size", x, "the input");
  if (x.shape() == shape) return x;
  check<ShapeError>(broadcast_shape("sum_to_size", shape, x.shape()) == x.shape(), "sum_to_size: ", shape,
                    " does not repeat to the input ", x.shape());
  // Dimensions merged, slowest first.
  const BroadcastArgs repeated = broadcast(x.shape(), shape, x.shape());
  std::int64_t sizes[Shape::kMaxRank] = {};
  for (int d = 0; d < repeated.rank; ++d) sizes[repeated.rank - 1 - d] = repeated.sizes[d];
  Tensor y = x.reshape(Shape(std::span<const std::int64_t>(sizes, static_cast<std::size_t>(repeated.rank))));
  for (int d = 0; d < repeated.rank; ++d) {
    if (repeated.a_steps[d] == 0) y = sum(y, repeated.rank - 1 - d, true);
  }
  return y.to(x.dtype()).reshape(shape);
}

Max max(const Tensor& x, int dim, bool keepdim) {
  check_floating("max", x, "the input");
  const Place at = place_of("max", x.shape(), dim);
  check<ShapeError>(at.size > 0 && at.size <= std::numeric_limits<std::int32_t>::max(),
                    "max: 1 to 2^31 - 1 elements along dimension ", dim, " are possible, but ", x.shape(), " has ", at.size);
  const TopK first = top_k(rows_along(widened(x), at), 1);
  const auto result = [&](const Tensor& rows) {
    return from_rows(rows, x.shape(), at).reshape(reduced(x.shape(), at, keepdim));
  };
  return {result(first.values).to(x.dtype()), result(first.indices)};
}

Tensor max(const Tensor& x) {
  check_floating("max", x, "the input");
  check<ShapeError>(x.numel() > 0, "max: there is nothing in ", x.shape());
  return max(x.reshape({x.numel()}), 0).values;
}

Tensor max_grad(const Tensor& indices, const Tensor& dy, const Shape& x, int dim) {
  check_floating("max_grad", dy, "the gradient");
  check_dtype("max_grad", indices, Dtype::i32, "the indices");
  check_same_shape("max_grad", indices, dy);
  check_device("max_grad", {&indices, &dy});
  const Place at = place_of("max_grad", x, dim);
  check<ShapeError>(dy.shape() == reduced(x, at, false) || dy.shape() == reduced(x, at, true), "max_grad: the maximum of ", x,
                    " along dimension ", dim, " has shape ", reduced(x, at, false), ", but its gradient ", dy.shape());
  // One element for each line along the dimension.
  const auto column = [&](const Tensor& t) {
    return rows_along(t.reshape(reduced(x, at, true)), {at.dim, at.before, 1, at.after});
  };
  const Tensor gradient = column(widened(dy)), places = column(indices);
  const Tensor dx({gradient.dim(0), at.size}, gradient.dtype(), gradient.device());
  dx.backend().run(kernel::TopKGrad{places, gradient, dx});
  return from_rows(dx, x, at).to(dy.dtype());
}

Tensor softmax(const Tensor& x, int dim) { return softmax_along("softmax", x, dim, false); }
Tensor log_softmax(const Tensor& x, int dim) { return softmax_along("log_softmax", x, dim, true); }
Tensor softmax_grad(const Tensor& y, const Tensor& dy, int dim) {
  return softmax_grad_along("softmax_grad", y, dy, dim, false);
}
Tensor log_softmax_grad(const Tensor& y, const Tensor& dy, int dim) {
  return softmax_grad_along("log_softmax_grad", y, dy, dim, true);
}

Tensor cat(const std::vector<Tensor>& parts, int dim) {
  check<ValueError>(!parts.empty(), "cat: there is nothing to join; give at least one tensor");
  const Tensor& first = parts.front();
  check_defined("cat", first, "a part");
  Place at = place_of("cat", first.shape(), dim);
  at.size = 0;
  for (const Tensor& part : parts) {
    check_defined("cat", part, "a part");
    check_device("cat", {&first, &part});
    check_dtype("cat", part, first.dtype(), "every part");
    check<ShapeError>(part.rank() == first.rank() && part.shape().with_dim(at.dim, 0) == first.shape().with_dim(at.dim, 0),
                      "cat: parts differ in dimension ", dim, " alone, but ", first.shape(), " meets ", part.shape(),
                      "; reshape or transpose one of them");
    at.size += part.shape()[at.dim];
  }
  const Tensor joined({at.size, at.before * at.after}, first.dtype(), first.device());
  std::int64_t begin = 0;
  for (const Tensor& part : parts) {
    const Tensor rows = dimension_first(part, place_of("cat", part.shape(), dim));
    joined.rows(begin, begin + rows.dim(0)).copy_from(rows);
    begin += rows.dim(0);
  }
  return from_dimension_first(joined, first.shape(), at);
}

Tensor slice(const Tensor& x, std::int64_t begin, std::int64_t end, int dim) {
  check_defined("slice", x, "the input");
  const Place at = place_of("slice", x.shape(), dim);
  check<ShapeError>(begin >= 0 && begin <= end && end <= at.size, "slice: [", begin, ", ", end,
                    ") does not lie within dimension ", dim, " of ", x.shape());
  return from_dimension_first(dimension_first(x, at).rows(begin, end), x.shape(), at);
}

}  // namespace mec
