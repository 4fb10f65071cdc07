#include "mec/autograd/ops/pooling.h"

#include "mec/autograd/ops/dimension.h"
#include "mec/autograd/ops/elementwise.h"

namespace mec {

namespace {

// An odd dimension with its last element twice.
Variable evened(const Variable& x, int dim) {
  const std::int64_t size = x.shape().dim(dim);
  return size % 2 == 0 ? x : cat({x, slice(x, size - 1, size, dim)}, dim);
}

}  // namespace

Variable max_pool2d(const Variable& x, const Pool2dArgs& args) {
  const MaxPooled pooled = max_pool2d(x.data(), args);
  return record("max_pool2d", pooled.y, {x},
                [argmax = pooled.argmax, shape = x.shape(), args](const Tensor& dy, const Needs&) -> Grads {
                  return {max_pool2d_grad(dy, argmax, shape, args)};
                });
}

Variable global_avg_pool(const Variable& x) {
  return record("global_avg_pool", global_avg_pool(x.data()), {x},
                [shape = x.shape()](const Tensor& dy, const Needs&) -> Grads { return {global_avg_pool_grad(dy, shape)}; });
}

// Pairs of rows, then pairs of columns: each pair is an image of two pixels to global_avg_pool().
// bf16 is rounded once, at the end.
Variable avg_pool2x2(const Variable& x) {
  check<ShapeError>(x.data().rank() == 4, "avg_pool2x2: images are (N,H,W,C), but got ", x.shape());
  const Variable even = evened(evened(x.data().dtype() == Dtype::bf16 ? to(x, Dtype::f32) : x, 1), 2);
  const Shape& shape = even.shape();
  const std::int64_t n = shape[0], h = shape[1] / 2, w = shape[2] / 2, c = shape[3];
  const Variable rows = global_avg_pool(reshape(even, {n * h, 2, 1, 2 * w * c}));
  return to(reshape(global_avg_pool(reshape(rows, {n * h * w, 2, 1, c})), {n, h, w, c}), x.data().dtype());
}

}  // namespace mec
