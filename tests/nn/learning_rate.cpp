// The learning rate that an optimiser keeps, beside the one that its caller hands in.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "mec/autograd/ops.h"
#include "mec/nn/initialize.h"
#include "mec/nn/linear.h"
#include "mec/nn/optim/adamw.h"
#include "mec/nn/optim/sgd.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

using Values = std::vector<float>;

// A layer, its table and an optimiser, which take some steps at given learning rates.
template <class Optimizer, class Options> struct Learner {
  Learner(const Options& options, const Device& device)
      : layer({.in = 5, .out = 3}, device), table((initialize(layer, 4), layer)), optimizer(table, options) {}

  void compute_gradients() {
    optimizer.zero_grad();
    mean(square(layer(normal({6, 5}, table.values().device(), 0, Dtype::f32)))).backward();
  }
  Values values() const { return table.values().to_vector<float>(); }

  Linear layer;
  ParameterTable table;
  Optimizer optimizer;
};

constexpr double kLearningRates[] = {0.1, 0.1, 0.03};

template <class Optimizer, class Options> void check_same_steps(const Options& options) {
  const Device device = make_cpu_device();
  Learner<Optimizer, Options> own(options, device), given({}, device);
  CHECK(own.optimizer.lr() == 0.1);
  for (const double lr : kLearningRates) {
    own.optimizer.set_lr(lr);
    CHECK(own.optimizer.lr() == lr);
    own.compute_gradients();
    own.optimizer.step();
    given.compute_gradients();
    given.optimizer.step(Tensor::full({1}, lr, Dtype::f32, device));
    CHECK(own.values() == given.values());
  }
}

}  // namespace

TEST_CASE("a step at the optimiser's own lr has the bits of one at an lr that is handed in") {
  check_same_steps<Sgd>(SgdOptions{.lr = 0.1});
  check_same_steps<AdamW>(AdamWOptions{.lr = 0.1});
}

TEST_CASE("the learning rate is used without being set again, and 0 leaves the parameters as they are") {
  Learner<Sgd, SgdOptions> learner({.lr = 0.25, .momentum = 0}, make_cpu_device());
  const Values before = learner.values();
  learner.compute_gradients();
  const Values gradients = learner.table.gradients().to_vector<float>();
  learner.optimizer.step();
  Values expected = before;
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] -= 0.25F * gradients[i];
  const Values after = learner.values();
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  learner.optimizer.set_lr(0);
  learner.optimizer.step();
  CHECK(learner.values() == after);
}

TEST_CASE("zero_grad: the next backward overwrites the gradients") {
  Learner<Sgd, SgdOptions> learner({}, make_cpu_device());
  learner.compute_gradients();
  const Values once = learner.table.gradients().to_vector<float>();
  learner.compute_gradients();
  CHECK(learner.table.gradients().to_vector<float>() == once);
  learner.optimizer.zero_grad();
  CHECK(learner.table.gradients().to_vector<float>() == Values(once.size(), 0.0F));
}

TEST_CASE("a recorded step takes the learning rate that is set between two replays") {
  const auto device = std::make_shared<RecordingBackend>(make_cpu_device());
  Learner<Sgd, SgdOptions> replayed({.lr = 0.1}, device), eager({.lr = 0.1}, make_cpu_device());
  replayed.compute_gradients();
  eager.compute_gradients();
  device->begin();
  replayed.optimizer.step();
  device->end();
  for (const double lr : kLearningRates) {
    replayed.optimizer.set_lr(lr);
    device->replay();
    eager.optimizer.set_lr(lr);
    eager.optimizer.step();
    CHECK(replayed.values() == eager.values());
  }
}

TEST_CASE("a learning rate that is negative or not finite is refused, and the one before stays") {
  Learner<Sgd, SgdOptions> learner({.lr = 0.1}, make_cpu_device());
  CHECK_THROWS_WITH_AS(learner.optimizer.set_lr(-0.5),
                       "optimiser: the learning rate lr is finite and not negative, but is -0.5", ValueError);
  CHECK_THROWS_AS(learner.optimizer.set_lr(std::nan("")), ValueError);
  CHECK_THROWS_AS(learner.optimizer.set_lr(std::numeric_limits<double>::infinity()), ValueError);
  CHECK(learner.optimizer.lr() == 0.1);
  CHECK_THROWS_AS(Sgd(learner.table, {.lr = -1}), ValueError);
  CHECK_THROWS_AS(AdamW(learner.table, {.lr = -1}), ValueError);
}
