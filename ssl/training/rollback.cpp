#include "mec/ssl/training/rollback.h"

#include "mec/ssl/methods/pair_objective.h"
#include "mec/tensor/ops.h"

namespace mec {

Rollback::Rollback(Learner& learner, const Objective& objective) {
  const auto keep = [&](const std::vector<NamedBuffer>& buffers) {
    for (const auto& [name, tensor] : buffers) kept_.push_back({tensor, tensor.clone()});
  };
  keep(buffers_of(learner.online));
  if (learner.teacher) keep(buffers_of(learner.teacher->network));
  for (const Kept& kept : kept_) statistics_.push_back(kept.tensor);
  keep(objective.state());
}

Tensor Rollback::unless_finite(const Tensor& gradients, const std::vector<Tensor>& metrics) const {
  // A variance may overflow though what is normalised by it is finite: zeros.
  Tensor finite = mul(gradients, all_finite(join(metrics)));
  if (!statistics_.empty()) finite = mul(finite, all_finite(join(statistics_)));
  const Tensor skipped = sub(Tensor::full({1}, 1.0, finite.dtype(), finite.device()), finite);
  for (const auto& [tensor, before] : kept_) copy_when(skipped, before, tensor);
  return finite;
}

}  // namespace mec
