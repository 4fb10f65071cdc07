// Objectives in Variables: what pair() makes of forward().
#include <doctest/doctest.h>

#include <functional>

#include "mec/autograd/ops.h"
#include "mec/ssl/losses/length.h"
#include "mec/ssl/methods/autograd_objective.h"
#include "ssl/coding_samples.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

class TestObjective : public AutogradObjective {
 public:
  using Forward = std::function<std::vector<Variable>(const Variable& p, const Variable& z)>;
  TestObjective(PairTraits traits, Forward forward) : AutogradObjective(std::move(traits)), forward_(std::move(forward)) {}
  std::string name() const override { return "test-method"; }
  std::vector<Variable> forward(const Variable& p, const Variable& z) const override { return forward_(p, z); }

 private:
  Forward forward_;
};

// No side stands for the other.
Variable bent(const Variable& p, const Variable& z) { return mean(sum(square(p - z) * sigmoid(z), 1)); }
std::vector<Variable> bent_loss(const Variable& p, const Variable& z) { return {bent(p, z)}; }

GradcheckResult check_gradients(const PairObjective& objective, const Tensor& p, const Tensor& z) {
  return gradcheck(
      [&](const std::vector<Variable>& x) {
        const PairResult pair = objective.pair(x[0].data(), x[1].data(), {.weight = 0.5, .dp = true, .dz = true});
        return record("pair", pair.metrics.segment(0, {1}), x, [pair](const Tensor& dy, const Needs&) -> Grads {
          return {scale(pair.dp, dy), scale(pair.dz, dy)};
        });
      },
      {p, z});
}

}  // namespace

TEST_CASE("gradients of an objective in Variables agree with central differences") {
  const Device device = make_reference_device();
  for (const Shape& shape : {Shape{5, 7}, Shape{7, 4}, Shape{1, 1}}) {
    const GradcheckResult result =
        check_gradients(TestObjective({}, bent_loss), normal(shape, 1, device), normal(shape, 2, device));
    CHECK_MESSAGE(result.ok, result.message);
  }
}

TEST_CASE("the weight of a pair scales each metric and both gradients") {
  const Device device = make_reference_device();
  const Tensor p = normal({4, 3}, 1, device), z = normal({4, 3}, 2, device);
  const TestObjective objective({.metrics = {"loss", "size"}},
                                [](const Variable& x, const Variable& y) -> std::vector<Variable> {
                                  return {bent(x, y), sum(square(x))};
                                });
  const PairResult whole = objective.pair(p, z, {.dp = true, .dz = true});
  const PairResult part = objective.pair(p, z, {.weight = 0.25, .dp = true, .dz = true});
  for (const auto& [a, b] : {std::pair{whole.metrics, part.metrics}, {whole.dp, part.dp}, {whole.dz, part.dz}}) {
    CHECK(sum(square(a)).item() > 0);
    CHECK(largest_difference(scale(a, 0.25), b) == 0);
  }
}

TEST_CASE("a side whose gradient is not asked for is a constant") {
  const Device device = make_reference_device();
  const Tensor p = normal({4, 3}, 1, device), z = normal({4, 3}, 2, device);
  const PairResult both = TestObjective({}, bent_loss).pair(p, z, {.dp = true, .dz = true});
  for (const bool dp : {false, true}) {
    for (const bool dz : {false, true}) {
      const TestObjective objective({}, [=](const Variable& x, const Variable& y) {
        CHECK(x.requires_grad() == dp);
        CHECK(y.requires_grad() == dz);
        return bent_loss(x, y);
      });
      const PairResult result = objective.pair(p, z, {.dp = dp, .dz = dz});
      CHECK(result.metrics.to_vector<double>() == both.metrics.to_vector<double>());
      REQUIRE(static_cast<bool>(result.dp) == dp);
      REQUIRE(static_cast<bool>(result.dz) == dz);
      if (dp) CHECK(largest_difference(result.dp, both.dp) == 0);
      if (dz) CHECK(largest_difference(result.dz, both.dz) == 0);
    }
  }
}

TEST_CASE("a side that the loss leaves out has gradient 0") {
  const Device device = make_reference_device();
  const Tensor p = normal({4, 3}, 1, device);
  const TestObjective objective({}, [](const Variable& x, const Variable&) -> std::vector<Variable> { return {sum(x)}; });
  const PairResult result = objective.pair(p, p, {.dp = true, .dz = true});
  CHECK(result.dp.to_vector<double>() == std::vector<double>(12, 1.0));
  CHECK(result.dz.to_vector<double>() == std::vector<double>(12, 0.0));
}

TEST_CASE("metrics beside the loss are reported, and have no part in the gradients") {
  const Device device = make_reference_device();
  const Tensor p = normal({4, 3}, 1, device), z = normal({4, 3}, 2, device);
  const PairResult alone = TestObjective({}, bent_loss).pair(p, z, {.dp = true, .dz = true});
  const TestObjective objective({.metrics = {"loss", "size", "ones"}},
                                [&](const Variable& x, const Variable& y) -> std::vector<Variable> {
                                  const Variable size = reshape(sum(square(x)), {1, 1});
                                  return {bent(x, y), size, Variable(Tensor::full({}, 1.0, Dtype::f64, device))};
                                });
  const PairResult result = objective.pair(p, z, {.dp = true, .dz = true});
  CHECK(result.metrics.to_vector<double>() == std::vector<double>{alone.metrics.item(), sum(square(p)).item(), 1.0});
  CHECK(largest_difference(result.dp, alone.dp) == 0);
  CHECK(largest_difference(result.dz, alone.dz) == 0);
}

TEST_CASE("a term with a gradient by hand enters through record()") {
  const Device device = make_reference_device();
  const Tensor lambda = Tensor::full({1}, coding_lambda(5, 7, 7), Dtype::f64, device);
  const auto coding = [&](const Variable& x) {
    const LengthResult result = coding_length(x.data(), lambda, {}, x.requires_grad());
    return record("coding_length", result.length, {x},
                  [dx = result.dz](const Tensor& dy, const Needs&) -> Grads { return {scale(dx, dy)}; });
  };
  const TestObjective objective({}, [&](const Variable& p, const Variable& z) -> std::vector<Variable> {
    return {bent(p, z) - 0.1 * (coding(p) + coding(z))};
  });
  const GradcheckResult result = check_gradients(objective, normal({5, 7}, 1, device), normal({5, 7}, 2, device));
  CHECK_MESSAGE(result.ok, result.message);
}

TEST_CASE("the traits of an objective in Variables decide which pairs there are and which side has a gradient") {
  const Device device = make_reference_device();
  std::vector<StudentView> students;
  std::vector<Tensor> teachers;
  for (std::uint64_t v = 0; v < 3; ++v) {
    students.push_back({static_cast<std::int64_t>(v), normal({4, 3}, 10 + v, device)});
    teachers.push_back(normal({4, 3}, 20 + v, device));
  }
  for (const PairTraits& traits : {PairTraits{}, PairTraits{.ema_teacher = true}, PairTraits{.symmetric = true}}) {
    const bool symmetric = traits.symmetric;
    CAPTURE(symmetric);
    CAPTURE(traits.ema_teacher);
    int calls = 0;
    // One tensor is both gradients of p + z: adding to one must leave the other as it is.
    const auto sum_of_both = [&](const Variable& p, const Variable& z) -> std::vector<Variable> {
      ++calls;
      CHECK(p.requires_grad());
      CHECK(z.requires_grad() == symmetric);
      return {sum(square(p + z))};
    };
    TestObjective objective(traits, sum_of_both);
    CHECK(objective.ema_teacher() == traits.ema_teacher);
    CHECK(objective.view_by_view() == traits.ema_teacher);
    const ObjectiveResult result = objective(students, teachers, {});
    CHECK(calls == (symmetric ? 3 : 6));
    for (std::size_t v = 0; v < 3; ++v) {
      Tensor expected = Tensor::zeros({4, 3}, Dtype::f64, device);
      for (std::size_t w = 0; w < 3; ++w) {
        const Tensor& other = symmetric ? students[w].embedding : teachers[w];
        const double weight = symmetric ? 1.0 / 3 : 1.0 / 6;
        if (v != w) expected = expected + 2 * weight * (students[v].embedding + other);
      }
      CHECK(largest_difference(result.gradients[v], expected) < kRounding);
    }
  }
}

namespace {

struct Kind {
  const char* recipe;  // a method whose networks fit
  PairTraits traits;
};
// Prediction against teacher, prediction against projection, and both sides.
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{{"byol", {.ema_teacher = true}}, {"simsiam", {}}, {"vicreg", {.symmetric = true}}};
  return all;
}

}  // namespace

TEST_CASE("K replays of a recorded step with an objective in Variables equal K eager steps to the bit") {
  for (const char* precision : {"f32", "bf16"}) {
    const auto settings_of = [&](const char* recipe) {
      PretrainSettings settings = tiny_settings_of(recipe);
      settings.train.precision = precision;
      return settings;
    };
    for (const Kind& kind : kinds()) {
      CAPTURE(kind.recipe);
      check_replayed_steps(settings_of(kind.recipe),
                           [&](const Device&) { return std::make_unique<TestObjective>(kind.traits, bent_loss); });
    }
  }
}

TEST_CASE("a step after the first takes no memory from the system with an objective in Variables") {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.recipe);
    const Device device = make_cpu_device();
    TestObjective objective(kind.traits, bent_loss);
    int steps = 0;
    CHECK_NOTHROW(train_steps(tiny_settings_of(kind.recipe), objective, device, [&](auto step) {
      return [&, step] {
        if (steps++ == 1) device->allocator().freeze();
        step();
        if (steps == 4) device->allocator().freeze(false);
      };
    }));
    CHECK(steps == 4);
  }
}

TEST_CASE("what an objective in Variables does wrong is said under its name") {
  const Device device = make_reference_device();
  const Tensor p = normal({4, 3}, 1, device);
  const auto error_of = [&](const PairTraits& traits, const TestObjective::Forward& forward) {
    return [=] { TestObjective(traits, forward).pair(p, p, {}); };
  };
  const auto rows = error_of({}, [](const Variable& x, const Variable& y) -> std::vector<Variable> { return {sum(x * y, 1)}; });
  CHECK_THROWS_WITH_AS(rows(), "test-method: loss is one number, but forward() returned (4); take its sum() or mean()",
                       ShapeError);
  const auto product =
      error_of({.metrics = {"loss", "product"}}, [](const Variable& x, const Variable& y) -> std::vector<Variable> {
        return {sum(x), x * y};
      });
  CHECK_THROWS_WITH_AS(product(), doctest::Contains("test-method: product is one number, but forward() returned (4,3)"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(error_of({.metrics = {"loss", "size"}}, bent_loss)(),
                       "test-method: the traits name 2 metrics (loss, size), but forward() returned 1", ValueError);
  CHECK_THROWS_AS(error_of({.metrics = {}}, [](const Variable&, const Variable&) { return std::vector<Variable>(); })(),
                  ValueError);
  const auto constant =
      error_of({}, [](const Variable& x, const Variable&) -> std::vector<Variable> { return {sum(Variable(x.data()))}; });
  CHECK_THROWS_WITH_AS(constant(), doctest::Contains("test-method: no gradient reaches the loss"), ValueError);

  const TestObjective objective({}, bent_loss);
  CHECK_THROWS_WITH_AS(objective.pair(p, normal({4, 5}, 1, device), {}),
                       "test-method: p and z are matrices of one size (m,d), but got (4,3) and (4,5)", ShapeError);
  CHECK_THROWS_AS(objective.pair(p, p.to(Dtype::f32), {}), DtypeError);
}
