// Depthwise convolutions: every channel is a group of its own, so that nothing is summed over
// channels, and vectors lie along them.
#pragma once

#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {

inline bool is_depthwise(const Shape& x, const Shape& weight, const Conv2dArgs& args) {
  return args.groups == x[3] && args.groups == weight[0];
}

void depthwise_conv2d(LoopsBackend& device, const kernel::Conv2d& call);
void depthwise_grad_input(LoopsBackend& device, const kernel::Conv2dGradInput& call);
void depthwise_grad_weight(LoopsBackend& device, const kernel::Conv2dGradWeight& call);

}  // namespace mec::cpu::MEC_ISA
