#include "mec/tensor/ops/rows.h"

#include <algorithm>
#include <limits>

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

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
  check<ShapeError>(x.dim(1) <= std::numeric_limits<std::int32_t>::max(), "top_k: a place among the ", x.dim(1),
                    " columns does not fit into i32; cut the rows");
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
  Tensor y(x.shape().with_dim(0, index.dim(0)), x.dtype(), x.device());
  x.backend().run(kernel::GatherRows{x, index, y});
  return y;
}

}  // namespace mec
