#include "mec/eval/neighbours.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {
namespace {

TEST_CASE("neighbours by cosine agree with sorting all of them, also in blocks") {
  const Device device = make_reference_device();
  constexpr std::int64_t n = 40, m = 1100, d = 5, k = 3;  // rows go in blocks of 1024
  const Tensor rows = random({n, d}, Dtype::f32, device, {.seed = 1}), x = random({m, d}, Dtype::f32, device, {.seed = 2});
  const Neighbours found = find_neighbours(rows, x, k);
  REQUIRE(found.index.size() == m * k);
  const auto a = rows.to_vector<float>(), b = x.to_vector<float>();
  const auto dot = [&](const std::vector<float>& u, std::int64_t i, const std::vector<float>& v, std::int64_t j) {
    double sum = 0;
    for (std::int64_t c = 0; c < d; ++c)
      sum += static_cast<double>(u[static_cast<std::size_t>(i * d + c)]) *
             static_cast<double>(v[static_cast<std::size_t>(j * d + c)]);
    return sum;
  };
  for (std::int64_t row = 0; row < m; ++row) {
    std::vector<std::pair<double, std::int32_t>> all;
    for (std::int64_t i = 0; i < n; ++i)
      all.emplace_back(-dot(b, row, a, i) / std::sqrt(dot(b, row, b, row) * dot(a, i, a, i)), static_cast<std::int32_t>(i));
    std::ranges::sort(all);
    for (std::int64_t j = 0; j < k; ++j) {
      const auto at = static_cast<std::size_t>(row * k + j);
      REQUIRE(found.index[at] == all[static_cast<std::size_t>(j)].second);
      REQUIRE(static_cast<double>(found.cosine[at]) == doctest::Approx(-all[static_cast<std::size_t>(j)].first).epsilon(1e-5));
    }
  }
}

TEST_CASE("an image of the set is no neighbour of itself") {
  const Device device = make_reference_device();
  const Tensor rows = Tensor::from(std::vector<float>{1, 0, 0, 1, 1, 0.1F}, {3, 2}, device);
  CHECK(find_neighbours(rows, rows, 1).index == std::vector<std::int32_t>{0, 1, 2});
  CHECK(find_neighbours(rows, rows, 2, {0, 1, 2}).index == std::vector<std::int32_t>{2, 1, 2, 0, 0, 1});
  CHECK_THROWS_WITH_AS(find_neighbours(rows, rows, 3, {0, 1, 2}), doctest::Contains("between 1 and the 2 images"), ValueError);
  CHECK_THROWS_AS(find_neighbours(rows, rows.reshape({2, 3}), 1), ShapeError);
}

}  // namespace
}  // namespace mec
