#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops/dimension.h"

using namespace mec;

TEST_CASE("cat puts rows one below the other, in any dtype, and into memory of its own") {
  const Device device = make_reference_device();
  const auto part = [&](const std::vector<std::int32_t>& values, const Shape& shape) {
    return Tensor::from(values, shape, device);
  };
  const Tensor first = part({1, 2, 3, 4}, {2, 2}), none = part({}, {0, 2}), last = part({5, 6}, {1, 2});
  const Tensor all = cat({first, none, last});
  CHECK(all.shape() == Shape{3, 2});
  CHECK(all.to_vector<std::int32_t>() == std::vector<std::int32_t>{1, 2, 3, 4, 5, 6});
  CHECK(cat({first}).to_vector<std::int32_t>() == first.to_vector<std::int32_t>());
  CHECK_FALSE(cat({first}).same_memory(first));
  CHECK(cat({part({7}, {1}), part({8, 9}, {2})}).to_vector<std::int32_t>() == std::vector<std::int32_t>{7, 8, 9});
}

TEST_CASE("cat refuses parts that differ in more than the dimension") {
  const Device device = make_reference_device();
  const auto make = [&](const Shape& shape, Dtype dtype = Dtype::f32) { return Tensor::zeros(shape, dtype, device); };
  CHECK_THROWS_WITH_AS(cat({}), "cat: there is nothing to join; give at least one tensor", ValueError);
  CHECK_THROWS_WITH_AS(cat({make({2, 3}), make({2, 4})}),
                       "cat: parts differ in dimension 0 alone, but (2,3) meets (2,4); reshape or transpose one of them",
                       ShapeError);
  CHECK_THROWS_AS(cat({make({2, 3}), make({3})}), ShapeError);
  CHECK_THROWS_WITH_AS(cat({make({})}), "cat: dimension 0 of () was asked for, which has 0 dimensions; reshape it to {1}",
                       ShapeError);
  CHECK_THROWS_WITH_AS(cat({make({2}), make({2}, Dtype::f64)}), "cat: every part must be f32, but is f64", DtypeError);
  CHECK_THROWS_AS(cat({make({2}), Tensor()}), ValueError);
  CHECK_THROWS_WITH_AS(cat({make({2}), Tensor::zeros({2}, Dtype::f32, make_reference_device())}),
                       doctest::Contains("cat: inputs live on two different devices"), ValueError);
}
