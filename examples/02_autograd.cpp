// Gradients: a Variable remembers how it was made; backward() walks back to the leaves.
//
// Fits y = sin(3x) with a small network and plain gradient descent, and prints the mean squared
// error: below 0.005.
#include <cmath>
#include <cstdio>

#include "mec/all.h"

using namespace mec;

int main() {
  const Device cpu = make_cpu_device();

  std::vector<float> xs, ys;
  for (int i = 0; i < 128; ++i) {
    xs.push_back(-1.0F + 2.0F * static_cast<float>(i) / 127.0F);
    ys.push_back(std::sin(3.0F * xs.back()));
  }
  const Variable x(Tensor::from(xs, {128, 1}, cpu));  // no gradient wanted
  const Variable y(Tensor::from(ys, {128, 1}, cpu));

  // A leaf that requires a gradient. Weights are (out,in), as in PyTorch.
  const auto leaf = [&](const Shape& shape, double scale, std::uint64_t seed) {
    return Variable(scale * random(shape, Dtype::f32, cpu, {.seed = seed}), true);
  };
  const Variable w1 = leaf({32, 1}, 2.0, 1), b1 = leaf({32}, 1.0, 2);
  const Variable w2 = leaf({1, 32}, 0.2, 3), b2 = leaf({1}, 0.0, 4);

  double error = 0;
  for (int step = 0; step <= 1500; ++step) {
    const Variable hidden = tanh(linear(x, w1, b1));
    const Variable loss = mean(square(linear(hidden, w2, b2) - y));
    error = loss.item();
    if (step % 500 == 0) std::printf("step %4d: mean squared error %.5f\n", step, error);

    loss.backward();
    for (Variable parameter : {w1, b1, w2, b2}) {
      parameter.assign(parameter.data() - 0.1 * parameter.grad());
      parameter.clear_grad();
    }
  }
  return error < 0.005 ? 0 : 1;
}
