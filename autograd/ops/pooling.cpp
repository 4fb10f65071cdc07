#include "mec/autograd/ops/pooling.h"

namespace mec {

Variable max_pool2d(const Variable& x, const Pool2dArgs& args) {
  const MaxPooled pooled = max_pool2d(x.data(), args);
  return record("max_pool2d", pooled.y, {x},
                [argmax = pooled.argmax, shape = x.shape(), args](const Tensor& dy, const Needs&) -> Grads {
                  return {max_pool2d_grad(dy, argmax, shape, args)};
                });
}

Variable global_avg_pool(const Variable& x) {
  return record("global_avg_pool", global_avg_pool(x.data()), {x},
                [shape = x.shape()](const Tensor& dy, const Needs&) -> Grads { return {global_avg_pool_grad(dy, shape)}; });
}

}  // namespace mec
