#include "mec/autograd/ops/rows.h"

#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/rows.h"

namespace mec {

Variable slice(const Variable& x, std::int64_t begin, std::int64_t end) {
  return record("slice", x.data().rows(begin, end), {x},
                [shape = x.shape(), begin, end](const Tensor& dy, const Needs&) -> Grads {
                  const Tensor dx = Tensor::zeros(shape, dy.dtype(), dy.device());
                  dx.rows(begin, end).copy_from(dy);
                  return {dx};
                });
}

Variable cat(const std::vector<Variable>& parts) {
  std::vector<Tensor> data;
  std::vector<std::int64_t> rows;
  for (const Variable& part : parts) data.push_back(part.data());
  const Tensor joined = cat(data);
  for (const Tensor& part : data) rows.push_back(part.dim(0));
  return record("cat", joined, parts, [rows](const Tensor& dy, const Needs&) -> Grads {
    Grads grads;
    std::int64_t at = 0;
    for (const std::int64_t count : rows) {
      grads.push_back(dy.rows(at, at + count));
      at += count;
    }
    return grads;
  });
}

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
