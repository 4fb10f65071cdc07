// A model and a loss of your own: trained, saved, and loaded again.
//
// Learns f(x) = 1/(1 + |x|²) from 512 points of the plane, and prints the mean absolute error of
// the loaded copy: below 0.02.
#include <cstdio>

#include "mec/all.h"

using namespace mec;

namespace {

// A module names its members in visit(), which weights files, optimisers and copies all use.
struct Net : Module {
  explicit Net(const Device& device) : hidden({.in = 2, .out = 32}, device), out({.in = 32, .out = 1}, device) {}
  Variable forward(const Variable& x, const Pass& pass) const override { return out(tanh(hidden(x, pass)), pass); }
  void visit(const std::string& prefix, Visitor& visitor) override {
    hidden.visit(prefix + "hidden.", visitor);
    out.visit(prefix + "out.", visitor);
  }

  Linear hidden, out;
};

// The pseudo-Huber loss: square for small differences, linear for large ones. Autograd takes its
// gradient.
Variable huber(const Variable& difference) { return mean(sqrt(1 + square(difference)) - 1); }

}  // namespace

int main() {
  const Device cpu = make_cpu_device();
  const Tensor x = random({512, 2}, Dtype::f32, cpu, {.seed = 1});  // normal
  const Tensor y = 1 / (1 + sum(square(x), 1, true));

  Net model(cpu);
  initialize(model, 1);
  ParameterTable parameters(model);
  AdamW optimizer(parameters, {.lr = 0.01});
  for (int step = 0; step <= 600; ++step) {
    optimizer.zero_grad();
    const Variable loss = huber(model(x) - y);
    loss.backward();
    optimizer.step();
    if (step % 200 == 0) std::printf("step %3d: loss %.5f\n", step, loss.item());
  }
  save_weights("own_model.safetensors", model);

  Net copy(cpu);
  load_weights("own_model.safetensors", copy);
  const double error = mean(abs(copy(x, kEvaluation).data() - y)).item();
  std::printf("own_model.safetensors: mean absolute error %.4f\n", error);
  return error < 0.02 ? 0 : 1;
}
