// Graphs of any depth: nothing recurses.
#include <doctest/doctest.h>

#include <thread>

#include "mec/autograd/ops.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "support/samples.h"

using namespace mec;

namespace {

constexpr int kOperations = 1'000'000;

// x + 1 + 1 + …; one-element tensors, so that only the graph counts.
Variable chain(const Variable& x, const Variable& one) {
  Variable y = x;
  for (int i = 0; i < kOperations; ++i) y = add(y, one);
  return y;
}

}  // namespace

// A thread's stack is 8 MiB where the limit says so, and at least 2 MiB where there is none: never
// room for a million frames.
TEST_CASE("a chain of a million operations runs backward") {
  double gradient = 0;
  std::thread([&] {
    const Device device = make_reference_device();
    const Variable x(Tensor::full({}, 0.0, Dtype::f64, device), true), one(Tensor::full({}, 1.0, Dtype::f64, device));
    const Variable y = chain(x, one);
    CHECK(y.data().item() == kOperations);
    backward(scale(y, 3.0));
    gradient = x.grad().item();
  }).join();
  CHECK(gradient == 3.0);
}

TEST_CASE("a chain of a million operations can be dropped unused") {
  std::thread([] {
    const Device device = make_reference_device();
    const Variable x(Tensor::full({}, 0.0, Dtype::f64, device), true), one(Tensor::full({}, 1.0, Dtype::f64, device));
    { const Variable dropped = chain(x, one); }
    CHECK(device->allocator().stats().in_use == 2 * 64);  // x and one, in the allocator's granules
  }).join();
}
