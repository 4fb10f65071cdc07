// Updates of flat parameter buffers, all in place. Where `when` (1), f32, is defined and 0, nothing
// is changed.
#pragma once

#include "mec/tensor/kernels/optimizer.h"
#include "mec/tensor/tensor.h"

namespace mec {

// v ← μv + trust_ratio·(g + wd·w); w ← w − lr·lr_factor·v over flat (P) buffers. offsets (S+1)
// i64, not falling and within [0,P], cut them into segments: ValueError otherwise, where the host
// can read them. trust_ratios (S) may be undefined (all 1). lr (1) lies in device memory.
void sgd_update(const Tensor& w, const Tensor& g, const Tensor& v, const Tensor& lr, const Tensor& offsets,
                const Tensor& trust_ratios, const SgdArgs& args, const Tensor& when = {});
// m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − lr·lr_factor·trust_ratio·(m̂/(√v̂ + ε) +
// wd·w), with m̂ and v̂ over correction (2) = {1−β₁ᵗ, 1−β₂ᵗ} (AdamW, Loshchilov & Hutter 2019). The
// rest as above.
void adamw_update(const Tensor& w, const Tensor& g, const Tensor& m, const Tensor& v, const Tensor& lr,
                  const Tensor& correction, const Tensor& offsets, const Tensor& trust_ratios, const AdamWArgs& args,
                  const Tensor& when = {});
// (S) trust ratios eta·‖w‖/(‖g‖ + wd·‖w‖ + eps), 1 where a norm is 0 (LARS, You et al. 2017).
Tensor lars_trust_ratios(const Tensor& w, const Tensor& g, const Tensor& offsets, const LarsArgs& args);
// t ← c·t + (1 − c)·w, c (1) in device memory.
void ema_update(const Tensor& teacher, const Tensor& w, const Tensor& coefficient, const Tensor& when = {});

}  // namespace mec
