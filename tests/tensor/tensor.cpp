#include "mec/tensor/tensor.h"

#include <doctest/doctest.h>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"

using namespace mec;

namespace {

const std::vector<float> kSix = {0, 1, 2, 3, 4, 5};
using Values = std::vector<float>;

}  // namespace

TEST_CASE("tensor: values go in and come out, and undefined tensors have none") {
  const Device device = make_reference_device();
  const Tensor t = Tensor::from(kSix, {2, 3}, device);
  CHECK(t.to_vector<float>() == kSix);
  CHECK(t.rank() == 2);
  CHECK(t.dim(-1) == 3);
  CHECK(t.bytes() == 24);
  CHECK(t.device() == device);
  const Tensor undefined;
  CHECK_FALSE(undefined);
  CHECK(undefined.out().data == nullptr);
  CHECK_THROWS_WITH_AS(undefined.device(), doctest::Contains("undefined tensor"), ValueError);
  CHECK_THROWS_AS(Tensor({2}, Dtype::f32, nullptr), ValueError);
}

TEST_CASE("tensor: rows, slices and reshapes share the memory") {
  const Tensor t = Tensor::from(kSix, {3, 2}, make_reference_device());
  const Tensor middle = t.rows(1, 2);
  CHECK(middle.shape() == Shape{1, 2});
  CHECK(middle.to_vector<float>() == Values{2, 3});
  middle.fill(7);
  CHECK(t.to_vector<float>() == Values{0, 1, 7, 7, 4, 5});
  const Tensor part = t.rows(1, 3).segment(1, {3});  // a slice of rows starts where the rows do
  CHECK(part.to_vector<float>() == Values{7, 4, 5});
  CHECK(t.reshape({6}).rows(4, 6).to_vector<float>() == Values{4, 5});
  CHECK(t.reshape({6}).same_memory(t));
  CHECK_FALSE(part.same_memory(t));
  CHECK(t.rows(3, 3).numel() == 0);
}

TEST_CASE("tensor: reshape works out one size") {
  const Tensor t = Tensor::from(kSix, {3, 2}, make_reference_device());
  CHECK(t.reshape({-1}).shape() == Shape{6});
  CHECK(t.reshape({2, -1}).shape() == Shape{2, 3});
  CHECK(t.reshape({-1, 1, 6}).shape() == Shape{1, 1, 6});
  CHECK_THROWS_WITH_AS(t.reshape({-1, -1}), doctest::Contains("only one size may be -1"), ShapeError);
  CHECK_THROWS_WITH_AS(t.reshape({4, -1}), doctest::Contains("(3,2) has 6 elements, which the given sizes (product 4)"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(t.reshape({0, -1}), doctest::Contains("product 0"), ShapeError);
}

TEST_CASE("tensor: errors name both values") {
  const Device device = make_reference_device();
  const Tensor t = Tensor::from(kSix, {3, 2}, device);
  CHECK_THROWS_WITH_AS(t.reshape({4, 2}), "reshape: (3,2) has 6 elements, but (4,2) has 8", ShapeError);
  CHECK_THROWS_WITH_AS(t.rows(2, 4), "rows: [2, 4) does not lie within the leading dimension of (3,2)", ShapeError);
  CHECK_THROWS_AS(t.rows(2, 1), ShapeError);
  CHECK_THROWS_WITH_AS(t.segment(4, {3}), "segment: 3 elements from 4 do not lie within (3,2)", ShapeError);
  CHECK_THROWS_AS(t.segment(-1, {1}), ShapeError);
  CHECK_THROWS_WITH_AS(Tensor::from(kSix, {4}, device), "Tensor::from: shape (4) has 4 elements, but 6 values were given",
                       ShapeError);
  CHECK_THROWS_WITH_AS(t.to_vector<double>(), "to_vector: the tensor is f32, not f64", DtypeError);
  CHECK_THROWS_WITH_AS(t.item(), "item: the tensor (3,2) has 6 elements, not one", ShapeError);
  CHECK_THROWS_WITH_AS(t.copy_from(t.rows(0, 2)), "copy_from: a tensor (3,2) cannot hold one of (2,2)", ShapeError);
  CHECK_THROWS_WITH_AS(t.dim(2), "shape: dimension 2 of a tensor of rank 2", ShapeError);
  CHECK_THROWS_WITH_AS((Shape{2, -3}), "shape: sizes are not negative, but dimension 1 is -3", ShapeError);
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1}), "shape: at most 6 dimensions, but got 7", ShapeError);
  const std::int64_t huge = std::int64_t{1} << 40;
  CHECK_THROWS_WITH_AS((Shape{huge, 0, huge}), doctest::Contains("more than 2^48 elements"), ShapeError);
}

TEST_CASE("tensor: clones are copies, conversions too, and crossing devices keeps dtype and values") {
  const Device here = make_reference_device(), there = make_reference_device();
  const Tensor t = Tensor::from(kSix, {3, 2}, here);
  const Tensor clone = t.clone();
  clone.fill(9);
  CHECK(t.to_vector<float>() == kSix);
  CHECK(t.to(Dtype::f32).same_memory(t));
  CHECK(t.to(Dtype::f64).to_vector<double>()[5] == 5.0);
  CHECK(t.to(here).same_memory(t));
  const Tensor away = t.rows(1, 3).to(there);
  CHECK(away.device() == there);
  CHECK(away.to_vector<float>() == Values{2, 3, 4, 5});
  const Tensor wide({3, 2}, Dtype::f64, there);
  wide.copy_from(t);  // another device and another dtype at once
  CHECK(wide.to_vector<double>() == std::vector<double>{0, 1, 2, 3, 4, 5});
  CHECK(Tensor::full({}, 2.5, Dtype::bf16, here).item() == 2.5);
}

TEST_CASE("tensor: an only handle that covers its memory is unique") {
  const Device device = make_reference_device();
  Tensor t = Tensor::from(kSix, {3, 2}, device);
  CHECK(t.is_unique());
  {
    const Tensor other = t.rows(0, 1);
    CHECK_FALSE(t.is_unique());
    CHECK_FALSE(other.is_unique());
  }
  CHECK(t.reshape({6}).is_unique() == false);  // two handles
  t = t.rows(0, 2);
  CHECK_FALSE(t.is_unique());  // it covers a part
}

TEST_CASE("tensor: memory goes back to the allocator with the last handle, and outlives the caller's device handle") {
  Device device = make_reference_device();
  CachingAllocator& allocator = device->allocator();
  {
    const Tensor t = Tensor::zeros({100}, Dtype::f32, device);
    const Tensor view = t.rows(0, 1);
    CHECK(allocator.stats().in_use == 448);
  }
  CHECK(allocator.stats().in_use == 0);
  const Tensor last = Tensor::zeros({4}, Dtype::f32, device);
  device.reset();
  CHECK(last.to_vector<float>() == Values(4, 0));
}

TEST_CASE("devices: an unknown name is an error that says which there are") {
  CHECK_THROWS_WITH_AS(make_device("gpu"), "device: there is no device 'gpu'; choose cpu, cuda or reference", ValueError);
  CHECK(make_device("reference")->name() == "reference");
}
