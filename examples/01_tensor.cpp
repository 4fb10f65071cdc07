// Tensors: numbers in the memory of a device, and operations on them.
//
// Solves a small least-squares problem by the normal equations and prints the error of the
// solution: below 1e-4.
#include <cstdio>

#include "mec/all.h"

using namespace mec;

int main() {
  const Device cpu = make_cpu_device();

  // 200 equations a·w = y in 5 unknowns, with the answer known beforehand.
  const Tensor a = random({200, 5}, Dtype::f32, cpu, {.seed = 1});
  const Tensor answer = Tensor::from<float>({1, -2, 3, -4, 5}, {5, 1}, cpu);
  const Tensor y = matmul(a, answer);

  // w = (aᵀa)⁻¹ aᵀy
  const Tensor gram = matmul(a, a, {.trans_a = true});                             // (5,5)
  const Tensor w = matmul(lu_inverse(lu(gram)), matmul(a, y, {.trans_a = true}));  // (5,1)

  const double error = sum(abs(w - answer)).item();
  std::printf("w =");
  for (const float value : w.to_vector<float>()) std::printf(" %.4f", value);
  std::printf("\nsum of absolute errors: %.1e\n", error);

  // A rule that is broken is an exception that says what to do.
  try {
    matmul(a, a);
  } catch (const ShapeError& broken) {
    std::printf("as expected: %s\n", broken.what());
    return error < 1e-4 ? 0 : 1;
  }
  return 1;
}
