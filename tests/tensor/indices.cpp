// Labels, indices and bounds that are out of range: refused where the host can read them, NaN
// elsewhere.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>

#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/emulated_device.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

Tensor labels(const Device& device) { return Tensor::from<std::int32_t>({2, 5, -1}, {3}, device); }
Tensor rows(const Device& device) { return Tensor::from<std::int64_t>({4, -1, 5}, {3}, device); }

// NaN in row 1 of three, and numbers in the others.
void check_one_row_lost(const Tensor& x, std::int64_t lost) {
  const auto values = x.to(Dtype::f64).to_vector<double>();
  const auto columns = static_cast<std::int64_t>(values.size()) / 3;
  for (std::int64_t i = 0; i < 3 * columns; ++i) {
    CHECK(std::isnan(values[static_cast<std::size_t>(i)]) == (i / columns == lost));
  }
}

}  // namespace

TEST_CASE("indices: where the host can read them, an error names the operation, the place, the value and the range") {
  for (const Device& device : {make_reference_device(), make_cpu_device()}) {
    CAPTURE(device->name());
    const Tensor x = normal({3, 5}, device, 0, Dtype::f32), table = normal({5, 4}, device, 1, Dtype::f32);
    CHECK(message_of<ValueError>([&] { cross_entropy(x, labels(device)); }) ==
          "cross_entropy: label 1 is 5, but logits (3,5) have classes [0,5); a negative label is none");
    CHECK(message_of<ValueError>([&] { gather_rows(table, rows(device)); }) ==
          "gather_rows: index 1 is -1, but the input (5,4) has rows [0,5)");
    CHECK(message_of<ShapeError>([&] {
            cross_entropy(Tensor::zeros({3, 0}, Dtype::f32, device), labels(device));
          }) == "cross_entropy: there are no classes in logits (3,0)");

    const Tensor w = Tensor::zeros({9}, Dtype::f32, device);
    const auto ratios = [&](const std::vector<std::int64_t>& offsets) {
      lars_trust_ratios(w, w, Tensor::from(offsets, {static_cast<std::int64_t>(offsets.size())}, device), {});
    };
    CHECK(message_of<ValueError>([&] {
            ratios({0, 4, 10});
          }) == "lars_trust_ratios: offset 2 is 10, but the buffer (9) has bounds [0,9]");
    CHECK(message_of<ValueError>([&] { ratios({0, 5, 4}); }) ==
          "lars_trust_ratios: offset 2 is 4 and falls below the one before, 5");
    Lu factors = lu(Tensor::from<float>({2, 1, 1, 3}, {2, 2}, device));
    factors.pivots.fill(2);
    CHECK(message_of<ValueError>([&] { lu_inverse(factors); }) ==
          "lu_inverse: pivot 0 is 2, but rows are [0,2); take what lu() returned");
    CHECK_THROWS_AS(normalize_rows_grad({.y = x, .inv_norm = Tensor::zeros({2}, Dtype::f32, device)}, x), ShapeError);
  }
}

TEST_CASE("indices: on a device whose memory the host does not read, their rows become NaN") {
  const Device device = make_emulated_device();
  const CrossEntropy entropy = cross_entropy(normal({3, 5}, device, 0, Dtype::f32), labels(device));
  check_one_row_lost(entropy.loss, 1);
  check_one_row_lost(entropy.dlogits, 1);
  CHECK(entropy.loss.to_vector<float>()[2] == 0);  // no label
  const Tensor gathered = gather_rows(normal({5, 4}, device, 1, Dtype::f32), rows(device));
  const auto values = gathered.to_vector<float>();
  for (std::size_t i = 0; i < 12; ++i) CHECK(std::isnan(values[i]) == (i >= 4));
}

TEST_CASE("indices: labels are counted where the host can read them, and nowhere else") {
  CHECK(count_labelled(labels(make_cpu_device())) == 2);
  CHECK(count_labelled(Tensor::from<std::int32_t>({0, -100, 0}, {3}, make_reference_device())) == 2);
  CHECK_THROWS_WITH_AS(count_labelled(labels(make_emulated_device())), doctest::Contains("cannot read the 3 labels"), ValueError);
  CHECK_THROWS_AS(count_labelled(rows(make_cpu_device())), DtypeError);
}

TEST_CASE("indices: a recorded step, whose labels come later, gives NaN for those that are out of range") {
  const auto device = std::make_shared<RecordingBackend>(make_cpu_device());
  const Tensor x = normal({3, 5}, device, 0, Dtype::f32), late = Tensor::from<std::int32_t>({2, 1, -1}, {3}, device);
  CrossEntropy entropy = cross_entropy(x, late);  // memory for the step
  device->begin();
  entropy = cross_entropy(x, late);
  device->end();
  late.copy_from(labels(make_cpu_device()));
  device->replay();
  check_one_row_lost(entropy.loss, 1);
  check_one_row_lost(entropy.dlogits, 1);
  CHECK_THROWS_AS(cross_entropy(x, late), ValueError);  // run at once, it is looked at
}
