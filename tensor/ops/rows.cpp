#include "mec/tensor/ops/rows.h"

#include <algorithm>
#include <array>

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

namespace {

// `shape` with another number of rows; its rank is at least 1.
Shape with_rows(const Shape& shape, std::int64_t rows) {
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::ranges::copy(shape.dims(), dims.begin());
  dims[0] = rows;
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(shape.rank())));
}

}  // namespace

NormalizedRows normalize_rows(const Tensor& x, double eps) {
  check_rank("normalize_rows", x, 2, "the input", "a matrix");
  check_real("normalize_rows", x, "the input");
  NormalizedRows out{Tensor(x.shape(), x.dtype(), x.device()), Tensor({x.dim(0)}, x.dtype(), x.device())};
  x.backend().run(kernel::NormalizeRows{x, out.y, out.inv_norm, eps});
  return out;
}

Tensor normalize_rows_grad(const NormalizedRows& saved, const Tensor& dy) {
  check_rank("normalize_rows_grad", saved.y, 2, "the result", "a matrix");
  check_same_shape("normalize_rows_grad", saved.y, dy);
  check_dtype("normalize_rows_grad", dy, saved.y.dtype(), "the gradient");
  check_dtype("normalize_rows_grad", saved.inv_norm, saved.y.dtype(), "the inverse norm");
  check_device("normalize_rows_grad", {&saved.y, &saved.inv_norm, &dy});
  check<ShapeError>(saved.inv_norm.numel() == saved.y.dim(0), "normalize_rows_grad: the ", saved.y.dim(0),
                    " rows have an inverse norm each, but there are ", saved.inv_norm.shape());
  Tensor dx(dy.shape(), dy.dtype(), dy.device());
  dy.backend().run(kernel::NormalizeRowsGrad{saved.y, saved.inv_norm, dy, dx});
  return dx;
}

CrossEntropy cross_entropy(const Tensor& logits, const Tensor& labels) {
  check_rank("cross_entropy", logits, 2, "logits", "(R,C)");
  check_real("cross_entropy", logits, "logits");
  check_rank("cross_entropy", labels, 1, "labels", "(R)");
  check_dtype("cross_entropy", labels, Dtype::i32, "labels");
  check_device("cross_entropy", {&logits, &labels});
  check<ShapeError>(labels.dim(0) == logits.dim(0), "cross_entropy: ", logits.dim(0), " rows of logits, but ", labels.dim(0),
                    " labels");
  const std::int64_t classes = logits.dim(1);
  check<ShapeError>(classes > 0, "cross_entropy: there are no classes in logits ", logits.shape());
  check_each<std::int32_t>("cross_entropy", labels, std::numeric_limits<std::int32_t>::min(), classes, "label", "logits ",
                           logits.shape(), " have classes [0,", classes, "); a negative label is none");
  CrossEntropy out{Tensor({logits.dim(0)}, logits.dtype(), logits.device()),
                   Tensor(logits.shape(), logits.dtype(), logits.device())};
  logits.backend().run(kernel::CrossEntropy{logits, labels, out.loss, out.dlogits});
  return out;
}

std::int64_t count_labelled(const Tensor& labels) {
  check_rank("cross_entropy", labels, 1, "labels", "(R)");
  check_dtype("cross_entropy", labels, Dtype::i32, "labels");
  check<ValueError>(labels.backend().host_readable(), "cross_entropy: the host cannot read the ", labels.dim(0),
                    " labels where they are, on the ", labels.backend().name(),
                    " device or in a recorded step; count those that are not negative before, and give their number");
  return std::ranges::count_if(readable<std::int32_t>(labels), [](std::int32_t label) { return label >= 0; });
}

TopK top_k(const Tensor& x, std::int64_t k) {
  check_rank("top_k", x, 2, "the input", "a matrix");
  check_real("top_k", x, "the input");
  check<ValueError>(k >= 1 && k <= x.dim(1), "top_k: k lies between 1 and the ", x.dim(1), " columns, but is ", k);
  TopK out{Tensor({x.dim(0), k}, x.dtype(), x.device()), Tensor({x.dim(0), k}, Dtype::i32, x.device())};
  x.backend().run(kernel::TopK{x, out.values, out.indices});
  return out;
}

Tensor gather_rows(const Tensor& x, const Tensor& index) {
  check_defined("gather_rows", x, "the input");
  check<ShapeError>(x.rank() >= 1, "gather_rows: a scalar has no rows");
  check_rank("gather_rows", index, 1, "the index", "(M)");
  check_dtype("gather_rows", index, Dtype::i64, "the index");
  check_device("gather_rows", {&x, &index});
  check_each<std::int64_t>("gather_rows", index, 0, x.dim(0), "index", "the input ", x.shape(), " has rows [0,", x.dim(0), ")");
  Tensor y(with_rows(x.shape(), index.dim(0)), x.dtype(), x.device());
  x.backend().run(kernel::GatherRows{x, index, y});
  return y;
}

Tensor cat(const std::vector<Tensor>& parts) {
  check<ValueError>(!parts.empty(), "cat: there is nothing to join; give at least one tensor");
  const Tensor& first = parts.front();
  std::int64_t rows = 0;
  for (const Tensor& part : parts) {
    check_defined("cat", part, "a part");
    check<ShapeError>(part.rank() >= 1, "cat: a scalar has no rows; reshape it to {1}");
    check_device("cat", {&first, &part});
    check_dtype("cat", part, first.dtype(), "every part");
    check<ShapeError>(with_rows(part.shape(), 0) == with_rows(first.shape(), 0), "cat: parts differ in rows alone, but ",
                      first.shape(), " meets ", part.shape(), "; reshape or transpose one of them");
    rows += part.dim(0);
  }
  Tensor y(with_rows(first.shape(), rows), first.dtype(), first.device());
  std::int64_t at = 0;
  for (const Tensor& part : parts) {
    y.rows(at, at + part.dim(0)).copy_from(part);
    at += part.dim(0);
  }
  return y;
}

}  // namespace mec
