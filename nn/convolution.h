// Convolutional layer.
#pragma once

#include "mec/nn/module.h"
#include "mec/tensor/kernels/convolution.h"

namespace mec {

struct Conv2dOptions {
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t pad = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  bool bias = false;  // a batch norm that follows has one
  // Channels that the input is stored with; the last stored_in − in of them are zeros. 0: as `in`.
  std::int64_t stored_in = 0;
};

// (N,H,W,in) -> (N,Ho,Wo,out) in x's dtype.
struct Conv2d : Module {
  Conv2d(const Conv2dOptions& options, const Placement& where);
  Variable forward(const Variable& x, const Pass& pass) const override;
  void visit(const std::string& prefix, Visitor& visitor) override;

  Conv2dArgs args;
  Parameter weight;  // (out,kernel,kernel,stored_in/groups)
  Parameter bias;    // (out), or undefined
};

}  // namespace mec
