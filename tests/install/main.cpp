// The gradient of sum(a·B) by a is the row sums of B: tensors, the engine and the backends,
// installed.
#include <mec/all.h>

#include <cstdio>
#include <vector>

int main() {
  const mec::Device device = mec::make_cpu_device();
  const mec::Tensor b = mec::Tensor::from(std::vector<float>{1, 2, 3, 4}, {2, 2}, device);  // (2,2)
  const mec::Variable a(mec::Tensor::full({1, 2}, 1.0, mec::Dtype::f32, device), true);     // (1,2)
  mec::sum(mec::matmul(a, mec::Variable(b))).backward();
  const std::vector<float> da = a.grad().to_vector<float>();
  std::printf("gradient: %g %g\n", da[0], da[1]);
  return da == std::vector<float>{3, 7} ? 0 : 1;
}
