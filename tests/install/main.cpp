// The gradient of sum(A·B) by A is the row sums of B: tensors, the engine and the linked backends, as installed.
#include <cstdio>
#include <vector>

#include "mec/autograd/variable.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

int main() {
  const mec::Device device = mec::make_cpu_device();
  const mec::Tensor b = mec::Tensor::from(std::vector<float>{1, 2, 3, 4}, {2, 2}, device);  // (2,2)
  const mec::Variable a(mec::Tensor::full({1, 2}, 1.0, mec::Dtype::f32, device), true);     // (1,2)
  const mec::Variable c = mec::record("product", mec::matmul(a.data(), b), {a}, [b](const mec::Tensor& dy, const mec::Needs&) {
    return mec::Grads{mec::matmul(dy, b, {.trans_b = true})};
  });
  mec::backward({c}, {mec::Tensor::full({1, 2}, 1.0, mec::Dtype::f32, device)});
  const std::vector<float> da = a.grad().to_vector<float>();
  std::printf("gradient: %g %g\n", da[0], da[1]);
  return da == std::vector<float>{3, 7} ? 0 : 1;
}
