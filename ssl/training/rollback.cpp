#include "mec/ssl/training/rollback.h"

#include "mec/ssl/methods/pair_objective.h"
#include "mec/tensor/ops.h"

namespace mec {

Rollback::Rollback(Learner& learner, const Objective& objective) : ranks_(learner.ranks) {
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
  const Tensor one = Tensor::full({1}, 1.0, finite.dtype(), finite.device()), skipped = sub(one, finite);
  ranks_->all_reduce(skipped);  // what one rank skips, all do: each has statistics of its own
  for (const auto& [tensor, before] : kept_) copy_when(skipped, before, tensor);
  return relu(sub(one, skipped));
}

}  // namespace mec
