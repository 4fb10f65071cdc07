// Methods in Variables beside their forms with gradients by hand: the same numbers. What the latter
// save: bench/gradient_by_hand.cpp.
#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "ssl/coding_samples.h"
#include "ssl/methods_in_variables.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

// Both forms are those of docs/add_an_objective.md.
class AutogradDistance : public AutogradObjective {
 public:
  AutogradDistance() : AutogradObjective({.symmetric = true}) {}
  std::string name() const override { return "distance"; }
  std::vector<Variable> forward(const Variable& p, const Variable& z) const override { return {mean(sum(square(p - z), 1))}; }
};

class DistanceByHand : public PairObjective {
 public:
  DistanceByHand() : PairObjective({.symmetric = true}) {}
  std::string name() const override { return "distance"; }
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    check_pair("distance", p, z);
    const Tensor difference = p - z;  // (m,d)
    const double per_row = options.weight / static_cast<double>(p.dim(0));
    return {.metrics = join({per_row * sum(square(difference))}),
            .dp = options.dp ? 2 * per_row * difference : Tensor(),
            .dz = options.dz ? -2 * per_row * difference : Tensor()};
  }
};

double largest(const Tensor& x) { return largest_difference(x, Tensor::zeros(x.shape(), x.dtype(), x.device())); }

// Relative to the largest entry.
void check_close(const Tensor& ours, const Tensor& expected, double tolerance) {
  const Tensor a = ours.to(Dtype::f64), b = expected.to(Dtype::f64);
  REQUIRE(a.shape() == b.shape());
  CHECK(largest_difference(a, b) < tolerance * largest(b));
}

void check_same_pair(const PairResult& ours, const PairResult& expected, double tolerance) {
  check_close(ours.metrics, expected.metrics, tolerance);
  check_close(ours.dp, expected.dp, tolerance);
  check_close(ours.dz, expected.dz, tolerance);
}

}  // namespace

TEST_CASE("a distance in Variables has the loss and the gradients of one by hand") {
  const Device device = make_reference_device();
  const Tensor p = normal({6, 5}, 1, device), z = normal({6, 5}, 2, device);
  const PairOptions options{.weight = 0.3, .dp = true, .dz = true};
  check_same_pair(AutogradDistance().pair(p, z, options), DistanceByHand().pair(p, z, options), kRounding);
}

TEST_CASE("VICReg and SimCLR in Variables have the metrics and the gradients of those by hand") {
  for (const auto& [name, dtype, tolerance] : {std::tuple{"reference", Dtype::f64, kRounding},
                                               std::tuple{"cpu", Dtype::f64, kRounding}, std::tuple{"cpu", Dtype::f32, 1e-5}}) {
    const Device device = make_device(name);
    for (const Shape& shape : {Shape{6, 9}, Shape{9, 6}}) {
      const Tensor z = normal(shape, 1, device);
      const Tensor p = z + 0.5 * normal(shape, 2, device);
      for (const std::string method : {"vicreg", "simclr"}) {
        CAPTURE(device->name());
        CAPTURE(method);
        const PairOptions options{.weight = 0.3, .dp = true, .dz = true};
        const auto by_hand = with_defaults(method, shape[0], dtype, device);
        const auto ours = in_variables(method, shape[0], dtype, device);
        CHECK(ours->metrics() == by_hand->metrics());
        check_same_pair(ours->pair(p.to(dtype), z.to(dtype), options), by_hand->pair(p.to(dtype), z.to(dtype), options),
                        tolerance);
      }
    }
  }
}

TEST_CASE("K replays of a recorded step with a method in Variables equal K eager steps to the bit") {
  for (const char* method : {"vicreg", "simclr"}) {
    CAPTURE(method);
    check_replayed_steps(tiny_settings_of(method),
                         [&](const Device& device) { return in_variables(method, 8, Dtype::f32, device); });
  }
}
