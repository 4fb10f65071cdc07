// bf16 activations with f32 parameters.
#include <doctest/doctest.h>

#include "mec/autograd/ops.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/batch_norm.h"
#include "support/compare.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

Tensor sample(const Shape& shape, std::uint32_t stream) { return normal(shape, kDevice, stream, Dtype::f32); }
Variable parameter(const Shape& shape, std::uint32_t stream) { return Variable(sample(shape, stream), true); }

// Every stage of a small network in the dtype of x.
Variable network(const Variable& x, const std::vector<Variable>& p) {
  Variable y = conv2d(x, p[0], {.pad = 1});
  const BatchNormStatistics running{Tensor::zeros({4}, Dtype::f32, kDevice), Tensor::full({4}, 1.0, Dtype::f32, kDevice)};
  y = batch_norm(y, p[1], p[2], {}, running, {.relu = true});
  return linear(global_avg_pool(y), p[3], p[4]);
}

}  // namespace

TEST_CASE("parameters keep f32 gradients under bf16 activations, close to those in f32") {
  const auto run = [](Dtype dtype) {
    const std::vector<Variable> p{parameter({4, 3, 3, 2}, 1), parameter({4}, 2), parameter({4}, 3), parameter({5, 4}, 4),
                                  parameter({5}, 5)};
    const Variable x(sample({6, 4, 4, 2}, 0).to(dtype), true);
    const Variable y = network(x, p);
    CHECK(y.data().dtype() == dtype);
    backward({y}, {sample({6, 5}, 6).to(dtype)});
    CHECK(x.grad().dtype() == dtype);
    std::vector<Tensor> grads;
    for (const Variable& v : p) grads.push_back(v.grad());
    return grads;
  };
  const auto exact = run(Dtype::f32), rounded = run(Dtype::bf16);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    CAPTURE(i);
    CHECK(rounded[i].dtype() == Dtype::f32);
    // Some five roundings to eight bits, each 2⁻⁹ of a value, on every path.
    const Comparison close = compare(rounded[i], exact[i], {.relative = 0.02, .of_rms = 0.02});
    CHECK_MESSAGE(close.ok, close.message);
  }
}
