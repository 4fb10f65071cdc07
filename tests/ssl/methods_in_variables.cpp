// Methods in Variables beside their forms with gradients by hand: the same numbers, and what the
// latter save.
#include <doctest/doctest.h>

#include <chrono>
#include <ctime>
#include <iostream>

#include "mec/autograd/ops.h"
#include "mec/ssl/methods/autograd_objective.h"
#include "ssl/coding_samples.h"
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
    return {.record = join({per_row * sum(square(difference))}),
            .dp = options.dp ? 2 * per_row * difference : Tensor(),
            .dz = options.dz ? -2 * per_row * difference : Tensor()};
  }
};

class AutogradVicReg : public AutogradObjective {
 public:
  AutogradVicReg() : AutogradObjective({.figures = {"loss", "invariance", "variance", "covariance"}, .symmetric = true}) {}
  std::string name() const override { return "vicreg"; }
  std::vector<Variable> forward(const Variable& p, const Variable& z) const override {
    const Variable invariance = 25 * mean(square(p - z));
    const Terms a = regularize(p), b = regularize(z);
    const Variable variance = 25 * (a.variance + b.variance);
    const Variable covariance = a.covariance + b.covariance;
    return {invariance + variance + covariance, invariance, variance, covariance};
  }

 private:
  struct Terms {
    Variable variance, covariance;
  };
  static Terms regularize(const Variable& side) {
    const auto m = static_cast<double>(side.shape()[0]), d = static_cast<double>(side.shape()[1]);
    const Variable x = side - mean(side, 0);
    const Variable variances = sum(square(x), 0) / (m - 1);
    const Variable covariance = matmul(transpose(x), x) / (m - 1);
    return {.variance = mean(relu(1 - sqrt(variances + 1e-4))),
            .covariance = (sum(square(covariance)) - sum(square(variances))) / d};
  }
};

class AutogradSimClr : public AutogradObjective {
 public:
  AutogradSimClr(std::int64_t batch, Dtype dtype, const Device& device)
      : AutogradObjective({.figures = {"loss", "cosine"}, .symmetric = true}) {
    std::vector<std::int32_t> partners;
    for (std::int64_t i = 0; i < 2 * batch; ++i) partners.push_back(static_cast<std::int32_t>((i + batch) % (2 * batch)));
    partners_ = Tensor::from(partners, {2 * batch}, device);
    self_ = Variable(matrix_polynomial({Tensor::zeros({2 * batch, 2 * batch}, dtype, device)}, {1e5, 0.0}));
  }
  std::string name() const override { return "simclr"; }
  std::vector<Variable> forward(const Variable& p, const Variable& z) const override {
    const std::int64_t m = p.shape()[0];
    const Variable y = normalize_rows(cat({p, z}));
    const Variable logits = matmul(y, transpose(y)) / 0.2 - self_;
    return {cross_entropy(logits, partners_, 2 * m), mean(sum(slice(y, 0, m) * slice(y, m, 2 * m), 1))};
  }

 private:
  Tensor partners_;  // (2m) i32
  Variable self_;    // (2m,2m), large where a row meets itself
};

std::unique_ptr<PairObjective> published(const std::string& method, std::int64_t batch, Dtype dtype, const Device& device) {
  PretrainSettings settings;
  choose_method(settings, method);
  settings.train.batch = batch;
  return make_objective(settings, device, dtype);
}

std::unique_ptr<PairObjective> in_variables(const std::string& method, std::int64_t batch, Dtype dtype, const Device& device) {
  if (method == "vicreg") return std::make_unique<AutogradVicReg>();
  return std::make_unique<AutogradSimClr>(batch, dtype, device);
}

double largest(const Tensor& x) { return largest_difference(x, Tensor::zeros(x.shape(), x.dtype(), x.device())); }

// Relative to the largest entry.
void check_close(const Tensor& ours, const Tensor& expected, double tolerance) {
  const Tensor a = ours.to(Dtype::f64), b = expected.to(Dtype::f64);
  REQUIRE(a.shape() == b.shape());
  CHECK(largest_difference(a, b) < tolerance * largest(b));
}

void check_same_pair(const PairResult& ours, const PairResult& expected, double tolerance) {
  check_close(ours.record, expected.record, tolerance);
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

TEST_CASE("VICReg and SimCLR in Variables have the figures and the gradients of those by hand") {
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
        const auto by_hand = published(method, shape[0], dtype, device);
        const auto ours = in_variables(method, shape[0], dtype, device);
        CHECK(ours->figures() == by_hand->figures());
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

namespace {

struct Cost {
  double seconds = 1e9, processor_seconds = 1e9;  // the least
  std::size_t peak = 0;                           // bytes of tensors beside p and z
};

void measure(const PairObjective& objective, const Tensor& p, const Tensor& z, Cost& cost) {
  CachingAllocator& allocator = p.device()->allocator();
  const std::size_t before = allocator.stats().in_use;
  allocator.reset_high_water();
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t processor = std::clock();
  objective.pair(p, z, {.dp = true, .dz = true});
  cost.processor_seconds = std::min(cost.processor_seconds, static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC);
  cost.seconds = std::min(cost.seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  cost.peak = allocator.stats().high_water - before;
}

}  // namespace

// OMP_NUM_THREADS=1 test_ssl --no-skip --test-case='what a gradient by hand saves'
TEST_CASE("what a gradient by hand saves" * doctest::skip()) {
  for (const auto& [method, shape] : {std::pair{"vicreg", Shape{256, 2048}}, std::pair{"simclr", Shape{512, 128}}}) {
    const Device device = make_cpu_device();
    const Tensor p = random(shape, Dtype::f32, device, {.seed = 1}), z = random(shape, Dtype::f32, device, {.seed = 2});
    const auto by_hand = published(method, shape[0], Dtype::f32, device);
    const auto ours = in_variables(method, shape[0], Dtype::f32, device);
    Cost hand, autograd;
    for (int round = 0; round < 30; ++round) {
      measure(*by_hand, p, z, hand);
      measure(*ours, p, z, autograd);
    }
    const auto line = [](const char* form, const Cost& cost) {
      std::cout << "  " << form << ": " << cost.seconds * 1e3 << " ms, " << cost.processor_seconds * 1e3
                << " ms of processors, " << static_cast<double>(cost.peak) / (1 << 20) << " MiB\n";
    };
    std::cout << method << " " << shape << "\n";
    line("by hand", hand);
    line("in Variables", autograd);
    CHECK(hand.peak > 0);
  }
}
