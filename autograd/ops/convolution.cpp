#include "mec/autograd/ops/convolution.h"

namespace mec {

Variable conv2d(const Variable& x, const Variable& weight, const Conv2dArgs& args) {
  return record("conv2d", conv2d(x.data(), weight.data().to(x.data().dtype()), args), {x, weight},
                [X = x.saved(), shape = x.shape(), W = weight.data(), args](const Tensor& dy, const Needs& need) -> Grads {
                  Grads grads(2);
                  if (need[0]) {
                    auto [dx, accumulate] = need.destination(0);
                    if (!dx) dx = Tensor(shape, dy.dtype(), dy.device());
                    Conv2dArgs in = args;
                    in.accumulate = accumulate;
                    conv2d_grad_input_into(dy, W.to(dy.dtype()), dx, in);
                    grads[0] = dx;
                  }
                  if (need[1]) {
                    auto [dw, accumulate] = need.destination(1);
                    if (!dw) dw = Tensor(W.shape(), W.dtype(), W.device());
                    Conv2dArgs in = args;
                    in.accumulate = accumulate;
                    conv2d_grad_weight_into(dy, X.get(), dw, in);
                    grads[1] = dw;
                  }
                  return grads;
                });
}

}  // namespace mec
