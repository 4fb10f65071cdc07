// Adam with decoupled weight decay.
#pragma once

#include "mec/nn/optim/optimizer.h"

namespace mec {

struct AdamWOptions {
  double lr = 1e-3;  // of step() without an lr
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
};

// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − lr·(m̂/(√v̂ + ε) + wd·w) with m̂ = m/(1−β₁ᵗ), v̂
// = v/(1−β₂ᵗ) at step t: Loshchilov & Hutter 2019, as torch.optim.AdamW. wd is that of each group
// (GroupRule::weight_decay), 0 unless it says more.
class AdamW final : public Optimizer {
 public:
  // ValueError for a β outside [0,1) or an ε that is not positive.
  explicit AdamW(ParameterTable& table, const AdamWOptions& options = {});

  std::vector<NamedBuffer> state() const override {
    return {{"first_moment", first_}, {"second_moment", second_}, {"bias_correction", correction_}};
  }

 private:
  void begin_step(const Tensor& when) override;
  void update(const ParameterTable::Group& group, const Tensor& gradients, const StepInputs& inputs) override;

  AdamWOptions options_;
  Tensor first_, second_;  // (P)
  Tensor betas_, rest_;    // (2): β₁ and β₂; 1−β₁ and 1−β₂
  // (2): 1−β₁ᵗ and 1−β₂ᵗ. They are in device memory because a replayed step must advance them.
  Tensor correction_;
};

}  // namespace mec
