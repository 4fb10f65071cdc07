// What gradients by hand save: methods of ssl/methods beside the same in Variables
// (tests/ssl/methods_in_variables.h), the loss with both gradients, f32.
//
//   OMP_NUM_THREADS=1 build/release/bench/gradient_by_hand
//
// Both forms in turn, 30 rounds. Prints for each the least processor time of a round, and the
// highest memory of tensors beside its two inputs.
#include <algorithm>
#include <cstdio>
#include <ctime>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "ssl/methods_in_variables.h"

using namespace mec;

namespace {

constexpr int kRounds = 30;

struct Cost {
  double seconds = 1e9;  // of processors, the least
  std::size_t peak = 0;  // bytes
};

void measure(const PairObjective& objective, const Tensor& p, const Tensor& z, Cost& cost) {
  CachingAllocator& allocator = p.backend().allocator();
  const std::size_t before = allocator.stats().in_use;
  allocator.reset_high_water();
  const std::clock_t begin = std::clock();
  objective.pair(p, z, {.dp = true, .dz = true});
  cost.seconds = std::min(cost.seconds, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  cost.peak = allocator.stats().high_water - before;
}

void print(const char* form, const Cost& cost) {
  std::printf("  %-12s %8.2f ms %8.1f MiB\n", form, cost.seconds * 1e3, static_cast<double>(cost.peak) / (1 << 20));
}

void compare(const std::string& method, const Shape& shape) {
  const Device device = make_cpu_device();
  const Tensor p = random(shape, Dtype::f32, device, {.seed = 1}), z = random(shape, Dtype::f32, device, {.seed = 2});
  const auto by_hand = test::with_defaults(method, shape[0], Dtype::f32, device);
  const auto in_variables = test::in_variables(method, shape[0], Dtype::f32, device);
  Cost hand, variables;
  for (int round = 0; round < kRounds; ++round) {
    measure(*by_hand, p, z, hand);
    measure(*in_variables, p, z, variables);
  }
  std::printf("%s, %d x %d: by hand %.2f of the time, %.2f of the memory\n", method.c_str(), static_cast<int>(shape[0]),
              static_cast<int>(shape[1]), hand.seconds / variables.seconds,
              static_cast<double>(hand.peak) / static_cast<double>(variables.peak));
  print("by hand", hand);
  print("in Variables", variables);
}

}  // namespace

int main() {
  compare("vicreg", {256, 2048});
  compare("simclr", {512, 128});
}
