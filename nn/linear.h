// Affine layer.
#pragma once

#include "mec/nn/module.h"

namespace mec {

struct LinearOptions {
  std::int64_t in = 0;
  std::int64_t out = 0;
  bool bias = true;
};

// x Wᵀ + b: (N,in) -> (N,out) in x's dtype.
struct Linear : Module {
  Linear(const LinearOptions& options, const Placement& where);
  Variable forward(const Variable& x, const Pass& pass) const override;
  void visit(const std::string& prefix, Visitor& visitor) override;

  Parameter weight;  // (out,in)
  Parameter bias;    // (out), or undefined
};

}  // namespace mec
