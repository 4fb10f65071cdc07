// Cosines with learnt directions.
#pragma once

#include "mec/nn/module.h"

namespace mec {

struct PrototypesOptions {
  std::int64_t in = 0;
  std::int64_t count = 0;
};

// (N,in) -> (N,count): the cosine of each row with each row of the weight, in the weight's dtype.
// Both are brought to unit length in the forward pass, so a prototype's length is free and no
// gradient goes along it.
struct Prototypes : Module {
  Prototypes(const PrototypesOptions& options, const Placement& where);
  Variable forward(const Variable& x, const Pass& pass) const override;
  void visit(const std::string& prefix, Visitor& visitor) override;

  Parameter weight;  // (count,in)
};

}  // namespace mec
