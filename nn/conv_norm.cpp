#include "mec/nn/conv_norm.h"

namespace mec {

Variable conv_norm(const Conv2d& conv, const BatchNorm& norm, const Variable& x, const BatchNormFusion& fusion,
                   const Pass& pass) {
  if (pass.training || conv.bias || is_recorded({x, conv.weight, norm.weight, norm.bias, fusion.residual})) {
    return norm.forward_fused(conv.forward(x, pass), fusion, pass);
  }
  const auto data_of = [](const Variable& v) { return v ? v.data() : Tensor(); };
  return Variable(conv2d_batch_norm(x.data(), conv.weight.value.data().to(x.data().dtype()), norm.running, data_of(norm.weight),
                                    data_of(norm.bias), data_of(fusion.residual), conv.args,
                                    {.eps = norm.eps, .relu = fusion.relu}));
}

}  // namespace mec
