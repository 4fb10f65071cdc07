// The checker itself must fail on rules that are wrong.
#include "mec/autograd/gradcheck.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "mec/autograd/ops.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/matmul.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

// x Wᵀ and its gradient, with W where Wᵀ belongs. W is square, so that the shapes agree and only
// the numbers can tell.
Variable transposed_product(const Variable& x, const Variable& w) {
  return record("transposed_product", matmul(x.data(), w.data()), {x, w},
                [X = x.data(), W = w.data()](const Tensor& dy, const Needs&) -> Grads {
                  return {matmul(dy, W), matmul(X, dy, {.trans_a = true})};
                });
}

Variable relu_without_mask(const Variable& x) {
  return record("relu_without_mask", relu(x.data()), {x}, [](const Tensor& dy, const Needs&) -> Grads { return {dy}; });
}

}  // namespace

TEST_CASE("a matmul rule that forgot to transpose is caught") {
  const GradcheckResult result = gradcheck([](const std::vector<Variable>& in) { return transposed_product(in[0], in[1]); },
                                           {normal({3, 3}, kDevice), normal({3, 3}, kDevice, 1)});
  CHECK_FALSE(result.ok);
  CHECK(contains(result.message, "input 0"));  // the gradient of w is right
}

TEST_CASE("a transposition whose rule does nothing is caught: a cotangent of ones could not tell") {
  const GradcheckResult result = gradcheck(
      [](const std::vector<Variable>& in) {
        return record("untransposed", transpose(in[0].data()), {in[0]},
                      [](const Tensor& dy, const Needs&) -> Grads { return {dy}; });
      },
      {normal({3, 3}, kDevice)});
  CHECK_FALSE(result.ok);
}

TEST_CASE("a ReLU rule that forgot its mask is caught") {
  const GradcheckResult result =
      gradcheck([](const std::vector<Variable>& in) { return relu_without_mask(in[0]); }, {normal({8}, kDevice)});
  CHECK_FALSE(result.ok);
  CHECK(result.worst > 0.1);
}

TEST_CASE("a gradient that is not finite is caught, whatever came before it") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const auto rule_with = [bad](const std::vector<Variable>& in) {
      return record("scale_with_hole", scale(in[0].data(), 2.0), {in[0]}, [bad](const Tensor& dy, const Needs&) -> Grads {
        auto values = scale(dy, 2.0).to_vector<double>();
        values[2] = bad;
        return {Tensor::from(values, dy.shape(), dy.device())};
      });
    };
    const GradcheckResult result = gradcheck(rule_with, {normal({4}, kDevice)});
    CHECK_FALSE(result.ok);
    CHECK_FALSE(std::isfinite(result.worst));
  }
}

TEST_CASE("a value that is not finite is caught") {
  const GradcheckResult result = gradcheck([](const std::vector<Variable>& in) { return log(in[0]); },
                                           {Tensor::from(std::vector<double>{1.0, -1.0}, {2}, kDevice)});
  CHECK_FALSE(result.ok);
}

TEST_CASE("an input that the function ignores must have no gradient") {
  const auto first = [](const std::vector<Variable>& in) { return scale(in[0], 3.0); };
  CHECK(gradcheck(first, {normal({3}, kDevice), normal({2}, kDevice, 1)}).ok);
}

TEST_CASE("gradcheck asks for f64") {
  CHECK_THROWS_AS(gradcheck([](const std::vector<Variable>& in) { return in[0]; }, {normal({3}, kDevice, 0, Dtype::f32)}),
                  DtypeError);
}
