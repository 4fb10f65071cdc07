#include "mec/autograd/ops/rows.h"

#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/rows.h"

namespace mec {

Variable normalize_rows(const Variable& x) {
  const NormalizedRows saved = normalize_rows(x.data());
  return record("normalize_rows", saved.y, {x},
                [saved](const Tensor& dy, const Needs&) -> Grads { return {normalize_rows_grad(saved, dy)}; });
}

Variable cross_entropy(const Variable& logits, const Tensor& labels) {
  return cross_entropy(logits, labels, count_labelled(labels));
}

Variable cross_entropy(const Variable& logits, const Tensor& labels, std::int64_t labelled) {
  check<ValueError>(labelled > 0, "cross_entropy: no row of ", logits.shape(), " has a label, so there is no mean");
  const double per_row = 1.0 / static_cast<double>(labelled);
  const CrossEntropy result = cross_entropy(logits.data(), labels);
  return record("cross_entropy", scale(sum(result.loss), per_row), {logits},
                [D = result.dlogits, per_row](const Tensor& dy, const Needs&) -> Grads { return {scale(D, dy, per_row)}; });
}

}  // namespace mec
