#include "mec/autograd/ops/convolution.h"

namespace mec {

Variable conv2d(const Variable& x, const Variable& weight, const Conv2dArgs& args) {
  const Tensor w = weight.operand(x.data().dtype());
  return record(
      "conv2d", conv2d(x.data(), w, args), {x, weight},
      [X = x.data(), W = w, weight_dtype = weight.data().dtype(), args](const Tensor& dy, const Needs& need) -> Grads {
        Grads grads(2);
        if (need[0]) {
          auto [dx, accumulate] = need.destination(0);
          if (!dx) dx = Tensor(X.shape(), X.dtype(), X.device());
          Conv2dArgs in = args;
          in.accumulate = accumulate;
          conv2d_grad_input_into(dy, W, dx, in);
          grads[0] = dx;
        }
        if (need[1]) {
          auto [dw, accumulate] = need.destination(1);
          if (!dw) dw = Tensor(W.shape(), weight_dtype, W.device());
          Conv2dArgs in = args;
          in.accumulate = accumulate;
          conv2d_grad_weight_into(dy, X, dw, in);
          grads[1] = dw;
        }
        return grads;
      });
}

}  // namespace mec
