#include "mec/tensor/backends/wrappers/recording.h"

#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "mec/tensor/philox.h"

using namespace mec;

namespace {

constexpr std::int64_t kRows = 9, kIn = 7, kOut = 5;

// A small network with everything that a step has: products, batch norm, a loss, its gradient, and
// an update.
struct Network {
  explicit Network(const Device& device)
      : input({kRows, kIn}, Dtype::f32, device),
        noise({kRows, kIn}, Dtype::f32, device),
        lr({1}, Dtype::f32, device),
        weights(random({kIn * kOut}, Dtype::f32, device, {.seed = 5})),
        momentum(Tensor::zeros({kIn * kOut}, Dtype::f32, device)),
        gradient(Tensor::zeros({kIn * kOut}, Dtype::f32, device)),
        offsets(Tensor::from<std::int64_t>({0, kIn * kOut}, {2}, device)),
        loss({}, Dtype::f32, device) {}

  void step() const {
    const BatchNormArgs norm{.eps = 1e-5, .relu = true};
    const Tensor w = weights.reshape({kIn, kOut}), x = add(input, noise);
    const Tensor hidden = matmul(x, w), active = relu(hidden);
    const auto statistics = batch_norm_statistics(active);
    const Tensor y = batch_norm_apply(active, statistics, {}, {}, {}, norm);
    loss.copy_from(sum(square(y)));
    const Tensor dy = scale(y, 2.0);
    const auto sums = batch_norm_grad_reduce(dy, active, y, statistics, {}, {}, norm);
    const Tensor dactive = batch_norm_grad_apply(dy, active, y, statistics, {}, {}, sums, kRows, false, norm).dx;
    matmul_into(x, unary_grad(UnaryOp::relu, hidden, dactive), gradient.reshape({kIn, kOut}), {.trans_a = true});
    // A term that batch norm does not make invariant to the weights' scale, by way of a span of
    // views.
    const Tensor gram = matmul(w, w, {.trans_a = true});
    axpby(matmul(w, matrix_polynomial({gram}, {1.0, 0.1})), gradient.reshape({kIn, kOut}), {.alpha = 0.01, .beta = 1});
    sgd_update(weights, gradient, momentum, lr, offsets, {}, {.momentum = 0.9, .weight_decay = 1e-3});
  }

  // What changes: data, random numbers drawn on the host, and the learning rate.
  void load(std::uint32_t step) const {
    std::vector<float> data(kRows * kIn), draws(kRows * kIn);
    RandomStream images(1, step, 0, Purpose::test), jitter(2, step, 0, Purpose::jitter);
    for (float& value : data) value = images.normal();
    for (float& value : draws) value = 0.1F * jitter.normal();
    const float now = 0.1F / static_cast<float>(1 + step);
    input.backend().upload(data.data(), input);
    noise.backend().upload(draws.data(), noise);
    lr.backend().upload(&now, lr);
  }

  Tensor input, noise, lr, weights, momentum, gradient, offsets, loss;
};

struct Trajectory {
  std::vector<float> losses, weights;
  bool operator==(const Trajectory&) const = default;
};

template <class Step> Trajectory run(const Network& network, std::uint32_t steps, Step&& step) {
  Trajectory trajectory;
  for (std::uint32_t k = 0; k < steps; ++k) {
    network.load(k);
    step();
    trajectory.losses.push_back(network.loss.to_vector<float>()[0]);
  }
  trajectory.weights = network.weights.to_vector<float>();
  return trajectory;
}

}  // namespace

TEST_CASE("replays of a recorded step equal eager steps to the bit, with changing data, learning rate and random numbers") {
  for (const std::string name : {"reference", "cpu"}) {
    CAPTURE(name);
    const Network eager(make_device(name));
    const auto expected = run(eager, 6, [&] { eager.step(); });
    CHECK(expected.losses[0] != expected.losses[1]);

    const auto device = std::make_shared<RecordingBackend>(make_device(name));
    const Network recorded(device);
    device->begin();
    recorded.step();
    device->end();
    CHECK(device->size() > 10);
    const auto replayed = run(recorded, 6, [&] {
      // Must get no memory of the recording.
      const Tensor other = Tensor::full({kRows, kOut}, 1e9, Dtype::f32, device);
      device->replay();
      CHECK(other.to_vector<float>() == std::vector<float>(kRows * kOut, 1e9F));
    });
    CHECK(replayed == expected);
  }
}

TEST_CASE("recording does not run the step, and outside a recording kernels run at once") {
  const auto device = std::make_shared<RecordingBackend>(make_reference_device());
  const Tensor x = Tensor::full({3}, 1, Dtype::f32, device);
  device->begin();
  add_into(x, x);
  device->end();
  CHECK(x.to_vector<float>() == std::vector<float>(3, 1));
  device->replay();
  device->replay();
  CHECK(x.to_vector<float>() == std::vector<float>(3, 4));
  add_into(x, x);
  CHECK(x.to_vector<float>() == std::vector<float>(3, 8));
  device->begin();
  device->end();
  device->replay();
  CHECK(x.to_vector<float>() == std::vector<float>(3, 8));
}

TEST_CASE("host access and misuse of a recording are errors") {
  const auto device = std::make_shared<RecordingBackend>(make_reference_device());
  const Tensor x = Tensor::full({3}, 1, Dtype::f32, device);
  CHECK_THROWS_WITH_AS(device->replay(), doctest::Contains("needs a recording"), ValueError);
  CHECK_THROWS_WITH_AS(device->end(), doctest::Contains("without begin()"), ValueError);
  device->begin();
  CHECK_THROWS_WITH_AS(x.to_vector<float>(), doctest::Contains("a step reads (3) on the host"), ValueError);
  CHECK_THROWS_WITH_AS(Tensor::from<float>({1, 2}, {2}, device), doctest::Contains("a step copies (2) from the host"),
                       ValueError);
  CHECK_THROWS_AS(device->replay(), ValueError);
}
