// Who counts the labels of a mean.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>

#include "mec/autograd/ops.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

using Labels = std::vector<std::int32_t>;

Tensor on(const Device& device, const Labels& labels) {
  return Tensor::from(labels, {static_cast<std::int64_t>(labels.size())}, device);
}

}  // namespace

TEST_CASE("cross-entropy counts its labels: loss and gradient have the bits of the number given") {
  for (const Device& device : {make_reference_device(), make_cpu_device()}) {
    const Tensor x = normal({4, 5}, device, 0, Dtype::f32);
    const std::pair<Labels, std::int64_t> rows[] = {{{2, 0, 4, 1}, 4}, {{2, -1, 0, -100}, 2}, {{-1, -1, 3, -1}, 1}};
    for (const auto& [labels, labelled] : rows) {
      const Variable counted(x, true), given(x, true);
      const Variable loss = cross_entropy(counted, on(device, labels));
      const Variable expected = cross_entropy(given, on(device, labels), labelled);
      loss.backward();
      expected.backward();
      CHECK(loss.item() == expected.item());
      CHECK(counted.grad().to_vector<float>() == given.grad().to_vector<float>());
    }
  }
}

TEST_CASE("cross-entropy is the mean over labelled rows") {
  const Device device = make_reference_device();
  // Rows with two equal logits have −log ½; the ignored one would pull the mean away.
  const Tensor x = Tensor::from(std::vector<double>{1, 1, 9, -9, -3, -3}, {3, 2}, device);
  CHECK(cross_entropy(Variable(x), on(device, {0, -100, 1})).item() == doctest::Approx(std::log(2.0)).epsilon(1e-14));
}

TEST_CASE("cross-entropy refuses labels of which there are none, or that are no labels") {
  const Device device = make_reference_device();
  const Variable x(normal({2, 3}, device));
  CHECK_THROWS_WITH_AS(cross_entropy(x, on(device, {-1, -1})),
                       "cross_entropy: no row of (2,3) has a label, so there is no mean", ValueError);
  CHECK_THROWS_WITH_AS(cross_entropy(x, on(device, {0, 3})), doctest::Contains("label 1 is 3, but logits (2,3)"), ValueError);
  CHECK_THROWS_AS(cross_entropy(x, on(device, {0, 1, 2})), ShapeError);
  CHECK_THROWS_AS(cross_entropy(x, Tensor::zeros({2}, Dtype::i64, device)), DtypeError);
  CHECK_THROWS_AS(cross_entropy(x, on(device, {0, 1}).reshape({2, 1})), ShapeError);
}

// So it is on a GPU, which has the same answer to host_readable().
TEST_CASE("cross-entropy asks for the number of labels that the host cannot read") {
  const auto device = std::make_shared<RecordingBackend>(make_cpu_device());
  const Variable x(normal({2, 3}, device, 0, Dtype::f32));
  const Tensor labels = on(device, {1, -1});
  const Variable eager = cross_entropy(x, labels);
  device->begin();
  CHECK(message_of<ValueError>([&] { cross_entropy(x, labels); }) ==
        concat("cross_entropy: the host cannot read the 2 labels where they are, on the ", device->name(),
               " device or in a recorded step; count those that are not negative before, and give their number"));
  const Variable recorded = cross_entropy(x, labels, 1);
  device->end();
  device->replay();
  CHECK(recorded.item() == eager.item());
}
