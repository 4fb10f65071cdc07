// Operations along one dimension, against loops over (before, along, after).
#include "mec/tensor/ops/dimension.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/elementwise.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

using Values = std::vector<double>;

Values values(const Tensor& t) { return t.to(Dtype::f64).to_vector<double>(); }

// Calls f(line) with the values along the dimension, for each place in the others, and puts what it
// returns along the dimension of the result.
Values each_line(const Tensor& x, int dim, const std::function<Values(const Values&)>& f) {
  std::int64_t before = 1, after = 1;
  for (int i = 0; i < dim; ++i) before *= x.shape()[i];
  for (int i = dim + 1; i < x.rank(); ++i) after *= x.shape()[i];
  const std::int64_t size = x.shape()[dim];
  const Values in = values(x);
  Values out;
  for (std::int64_t b = 0; b < before; ++b) {
    std::vector<Values> lines;
    for (std::int64_t a = 0; a < after; ++a) {
      Values line;
      for (std::int64_t i = 0; i < size; ++i) line.push_back(in[static_cast<std::size_t>((b * size + i) * after + a)]);
      lines.push_back(f(line));
    }
    for (std::size_t i = 0; after > 0 && i < lines[0].size(); ++i) {
      for (const Values& line : lines) out.push_back(line[i]);
    }
  }
  return out;
}

void check_close(const Tensor& actual, const Values& expected, double relative) {
  const Values got = values(actual);
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(relative));
}

Values sum_of(const Values& line) {
  double sum = 0;
  for (const double v : line) sum += v;
  return {sum};
}
Values mean_of(const Values& line) { return {sum_of(line)[0] / static_cast<double>(line.size())}; }
Values first_largest(const Values& line) { return {static_cast<double>(std::ranges::max_element(line) - line.begin())}; }
Values softmax_of(const Values& line) {
  double sum = 0;
  for (const double v : line) sum += std::exp(v);
  Values out;
  for (const double v : line) out.push_back(std::exp(v) / sum);
  return out;
}

const Shape kShapes[] = {{6}, {1}, {5, 7}, {1, 7}, {5, 1}, {3, 4, 5}, {2, 3, 1, 5}, {2, 3, 4, 2, 3}};

}  // namespace

TEST_CASE("dimension: sums, means, the largest and softmax are those of every line along it") {
  for (const Device& device : {make_reference_device(), make_cpu_device()}) {
    for (const Shape& shape : kShapes) {
      for (int dim = 0; dim < shape.rank(); ++dim) {
        CAPTURE(device->name());
        CAPTURE(shape);
        CAPTURE(dim);
        const Tensor x = normal(shape, device, 0, Dtype::f32);
        const int from_last = dim - shape.rank();
        check_close(sum(x, dim), each_line(x, dim, sum_of), 1e-5);
        check_close(mean(x, from_last), each_line(x, dim, mean_of), 1e-5);
        const Max largest = max(x, dim);
        CHECK(values(largest.indices) == each_line(x, dim, first_largest));
        CHECK(values(largest.values) == each_line(x, dim, [](const Values& v) { return Values{std::ranges::max(v)}; }));
        check_close(softmax(x, from_last), each_line(x, dim, softmax_of), 1e-5);
        check_close(exp(log_softmax(x, dim)), each_line(x, dim, softmax_of), 1e-5);
        CHECK(sum(x, dim, true).shape() == shape.with_dim(dim, 1));
        CHECK(max(x, dim, true).indices.shape() == shape.with_dim(dim, 1));
        CHECK(mean(x, dim).rank() == shape.rank() - 1);
        CHECK(values(slice(x, 0, 1, dim)) == each_line(x, dim, [](const Values& v) { return Values{v[0]}; }));
        const Tensor twice = cat({x, slice(x, 0, 1, dim), x}, from_last);
        CHECK(twice.shape() == shape.with_dim(dim, 2 * shape[dim] + 1));
        CHECK(values(twice) == each_line(x, dim, [](const Values& v) {
                Values all = v;
                all.push_back(v[0]);
                all.insert(all.end(), v.begin(), v.end());
                return all;
              }));
      }
    }
  }
}

TEST_CASE("dimension: bf16 is added up in f32, and NaN is the largest") {
  const Device device = make_cpu_device();
  const Tensor x = normal({4, 300, 3}, device, 0, Dtype::f32).to(Dtype::bf16);
  check_close(sum(x, 1), each_line(x, 1, sum_of), 1e-4);
  CHECK(sum(x, 1).dtype() == Dtype::f32);
  CHECK(max(x, 1).values.dtype() == Dtype::bf16);
  CHECK(values(max(x, 1).values) == each_line(x, 1, [](const Values& v) { return Values{std::ranges::max(v)}; }));
  CHECK(softmax(x, 0).dtype() == Dtype::bf16);
  const Tensor with_nan = Tensor::from(std::vector<float>{1, NAN, 3, 4, 4, 2}, {2, 3}, device);
  const Max largest = max(with_nan, 1);
  CHECK(std::isnan(values(largest.values)[0]));
  CHECK(std::isnan(max(with_nan).item()));
  CHECK(max(x).item() == std::ranges::max(values(x)));
  CHECK(values(largest.indices) == Values{1, 0});
}

TEST_CASE("dimension: sum_to_size adds up what expand repeats") {
  const Device device = make_cpu_device();
  const Shape whole{2, 3, 4, 5};
  const Tensor x = normal(whole, device, 0, Dtype::f32);
  for (const Shape& shape :
       {Shape{}, Shape{1}, Shape{5}, Shape{4, 1}, Shape{3, 1, 5}, Shape{2, 1, 4, 1}, Shape{2, 3, 1, 1}, whole}) {
    CAPTURE(shape);
    // ⟨x, expand(y)⟩ = ⟨sum_to_size(x), y⟩
    const Tensor y = normal(shape, device, 1, Dtype::f32);
    const Tensor sums = sum_to_size(x, shape);
    CHECK(sums.shape() == shape);
    CHECK(sum(mul(x, expand(y, whole))).item() == doctest::Approx(sum(mul(sums, y)).item()).epsilon(1e-4));
  }
  CHECK(values(sum_to_size(Tensor::zeros({0, 5}, Dtype::f32, device), {5})) == Values(5, 0.0));
  CHECK_THROWS_WITH_AS(sum_to_size(x, {2, 1, 1, 1, 1}), doctest::Contains("(2,1,1,1,1) does not repeat to the input (2,3,4,5)"),
                       ShapeError);
}

TEST_CASE("dimension: a long softmax adds up to 1, where a sum in f32 stops growing") {
  const Tensor x = Tensor::zeros({1 << 25}, Dtype::f32, make_cpu_device());
  CHECK(softmax(x, 0).segment(0, {1}).item() == 0x1p-25);
}

TEST_CASE("dimension: a slice shares memory where it is one piece of it, and else copies") {
  const Device device = make_cpu_device();
  for (const auto& [shape, dim, shares] :
       {std::tuple(Shape{4, 3}, 0, true), std::tuple(Shape{1, 5}, 1, true), std::tuple(Shape{2, 5}, 1, false)}) {
    const Tensor x = Tensor::zeros(shape, Dtype::f32, device);
    slice(x, 1, 3, dim).fill(7);
    CHECK((sum(x).item() != 0) == shares);
  }
}

TEST_CASE("dimension: sums of nothing are 0 and means of nothing NaN, and nothing has no largest") {
  const Tensor none = Tensor::zeros({2, 0, 3}, Dtype::f32, make_cpu_device());
  CHECK(values(sum(none, 1)) == Values(6, 0.0));
  CHECK(std::isnan(values(mean(none, 1))[0]));
  CHECK(sum(none, 0).shape() == Shape{0, 3});
  CHECK(softmax(none, 1).shape() == none.shape());
  CHECK(cat({none, none}, 1).shape() == none.shape());
  CHECK_THROWS_WITH_AS(max(none, 1), "max: 1 to 2^31 - 1 elements along dimension 1 are possible, but (2,0,3) has 0",
                       ShapeError);
}

TEST_CASE("dimension: an error names the operation, the dimension and the shape") {
  const Device device = make_reference_device();
  const Tensor x = Tensor::zeros({2, 3}, Dtype::f32, device);
  CHECK_THROWS_WITH_AS(sum(x, 2), "sum: dimension 2 of (2,3) was asked for, which has 2 dimensions", ShapeError);
  CHECK_THROWS_WITH_AS(softmax(x, -3), doctest::Contains("softmax: dimension -3 of (2,3)"), ShapeError);
  CHECK_THROWS_WITH_AS(max(Tensor::zeros({}, Dtype::f32, device), 0),
                       "max: dimension 0 of () was asked for, which has 0 dimensions; reshape it to {1}", ShapeError);
  CHECK_THROWS_WITH_AS(slice(x, 1, 4, 1), "slice: [1, 4) does not lie within dimension 1 of (2,3)", ShapeError);
  CHECK_THROWS_WITH_AS(slice(x, 2, 1), doctest::Contains("slice: [2, 1)"), ShapeError);
  CHECK_THROWS_AS(mean(Tensor(), 0), ValueError);
  CHECK_THROWS_WITH_AS(mean(x, 2), doctest::Contains("mean: dimension 2 of (2,3)"), ShapeError);
  CHECK_THROWS_WITH_AS(max(Tensor::zeros({0, 3}, Dtype::f32, device)), "max: there is nothing in (0,3)", ShapeError);
  CHECK_THROWS_WITH_AS(sum(Tensor::zeros({2, 3}, Dtype::i32, device), 0), doctest::Contains("sum: the input is i32"),
                       DtypeError);
  CHECK_THROWS_WITH_AS(max_grad(Tensor::zeros({2}, Dtype::i32, device), Tensor::zeros({2}, Dtype::f32, device), {2, 3}, 0),
                       "max_grad: the maximum of (2,3) along dimension 0 has shape (3), but its gradient (2)", ShapeError);
}
