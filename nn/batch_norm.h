// Batch norm layer.
#pragma once

#include "mec/autograd/ops/batch_norm.h"
#include "mec/nn/module.h"

namespace mec {

struct BatchNormLayerOptions {
  std::int64_t channels = 0;
  bool affine = true;
  double eps = 1e-5;
  double momentum = 0.1;       // share of the new batch in the running statistics
  // 0 in the last norm of a residual block lets the block start as the identity.
  double initial_gamma = 1.0;
};

// What follows the normalisation within the same pass over memory.
struct BatchNormFusion {
  Variable residual = {};  // added where defined; shape and dtype of x
  bool relu = false;
};

// Over the rows of x seen as (R,channels): images (N,H,W,C) or features (N,C).
struct BatchNorm : Module {
  BatchNorm(const BatchNormLayerOptions& options, const Placement& where);
  Variable forward(const Variable& x, const Pass& pass) const override;
  // ReLU(batch_norm(x) + residual), each part where asked for. ShapeError for another number of
  // channels.
  Variable forward_fused(const Variable& x, const BatchNormFusion& fusion, const Pass& pass) const;
  void visit(const std::string& prefix, Visitor& visitor) override;

  std::int64_t channels;
  double eps, momentum;
  Parameter weight, bias;       // (channels), or undefined
  BatchNormStatistics running;  // (channels)
};

}  // namespace mec
