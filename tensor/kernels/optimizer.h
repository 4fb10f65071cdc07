// Steps of optimisers, over flat buffers.
//
// Segment s is [offsets[s], offsets[s+1]) (i64, S+1), cut to the buffer: what is beyond it is not
// there. Offsets do not fall; where they do, an element may be of any segment. lr (1) is the
// learning rate. when (1), f32: where given and 0, nothing is changed.
#pragma once

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

struct SgdArgs {
  double lr_factor = 1.0;
  double momentum = 0;
  double weight_decay = 0.0;
};

struct AdamWArgs {
  double lr_factor = 1.0;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;
};

// Trust ratio of LARS (You, Gitman & Ginsburg 2017) for each segment: eta·‖w‖/(‖g‖ + wd·‖w‖), 1
// where either norm is 0.
struct LarsArgs {
  double eta = 0.001;
  double weight_decay = 0.0;
  double eps = 0.0;
};

namespace kernel {

// trust_ratios (S), where not empty, scale what enters v.
struct SgdUpdate {
  static constexpr auto name = "sgd_update";
  Out w;
  In g;
  Out v;
  In lr, offsets, trust_ratios;
  SgdArgs args;
  In when = {};
};

// m and v are updated too; correction (2) holds 1−β₁ᵗ and 1−β₂ᵗ; trust_ratios (S), where not
// empty, scale the step.
struct AdamWUpdate {
  static constexpr auto name = "adamw_update";
  Out w;
  In g;
  Out m, v;
  In lr, correction, offsets, trust_ratios;
  AdamWArgs args;
  In when = {};
};

struct LarsTrustRatios {
  static constexpr auto name = "lars_trust_ratios";
  In w, g, offsets;
  Out trust_ratios;
  LarsArgs args;
};

// t ← c·t + (1−c)·w
struct EmaUpdate {
  static constexpr auto name = "ema_update";
  Out teacher;
  In w, coefficient;
  In when = {};
};

}  // namespace kernel

using OptimizerKernels = Family<kernel::SgdUpdate, kernel::AdamWUpdate, kernel::LarsTrustRatios, kernel::EmaUpdate>;

}  // namespace mec
