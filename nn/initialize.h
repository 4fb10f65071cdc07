// First values of parameters: a function of seed and name alone.
#pragma once

#include "mec/nn/module.h"

namespace mec {

// Draws every parameter anew by its Initializer, from Philox with `seed` and a stream of its own,
// selected by its full name. A layer therefore starts the same on every device, whatever other
// layers there are. `prefix` is the module's place in a larger one ("encoder."). Buffers (running
// statistics) are left alone.
void initialize(Module& module, std::uint64_t seed, const std::string& prefix = "");

// Kaiming normal with fan-out for ReLU (He et al. 2015), torchvision's choice for convolutions:
// N(0, 2/(O·Kh·Kw)).
Initializer kaiming_normal(const Shape& weight);  // (O,Kh,Kw,C)
// U(±1/√fan_in), PyTorch's choice for the weight and the bias of a linear layer.
Initializer fan_in_uniform(std::int64_t fan_in);

}  // namespace mec
