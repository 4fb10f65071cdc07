// Cosine similarities with learnt directions.
#pragma once

#include "mec/nn/module.h"

namespace mec {

struct PrototypesOptions {
  std::int64_t in = 0;
  std::int64_t count = 0;
};

// (N,in) -> (N,count): the cosine of each row with each row of the weight, in the weight's dtype.
// The forward pass scales both rows to unit length. A prototype's own length therefore has no
// effect, and its gradient is orthogonal to it.
struct Prototypes : Module {
  Prototypes(const PrototypesOptions& options, const Placement& where);
  Variable forward(const Variable& x, const Pass& pass) const override;
  void visit(const std::string& prefix, Visitor& visitor) override;

  Parameter weight;  // (count,in)
};

}  // namespace mec
