#include "mec/ssl/methods/cosine.h"

#include "mec/tensor/ops.h"

namespace mec {

PairResult cosine_pair(const CosineLoss& loss, const Tensor& p, const Tensor& z, const PairOptions& options) {
  check_pair(loss.name, p, z);
  const NormalizedRows P = normalize_rows(p), Z = normalize_rows(z);
  const double per_row = options.weight / static_cast<double>(options.rows.count(p));
  const Tensor cosine = scale(options.rows.sum(sum(mul(P.y, Z.y))), per_row);
  const Tensor value = Tensor::full(cosine.shape(), options.weight * loss.offset, cosine.dtype(), cosine.device());
  axpby(cosine, value, {.alpha = loss.slope, .beta = 1.0});
  return {.metrics = join({value, cosine}),
          .dp = options.dp ? normalize_rows_grad(P, scale(Z.y, loss.slope * per_row)) : Tensor(),
          .dz = options.dz ? normalize_rows_grad(Z, scale(P.y, loss.slope * per_row)) : Tensor()};
}

}  // namespace mec
