// Packing of ε-balls, and simplicity by compression.
#include "mec/ssl/losses/packing.h"

#include <doctest/doctest.h>

#include <set>

#include "mec/ssl/losses/simplicity.h"
#include "ssl/coding_samples.h"

using namespace mec;
using namespace mec::test;

namespace {

double squared_distance(const Tensor& z, std::int64_t i, std::int64_t j) {
  const Tensor apart = sub(z.rows(i, i + 1), z.rows(j, j + 1));
  return sum(mul(apart, apart)).item();
}

}  // namespace

TEST_CASE("a greedy net covers every vector, and its centres are apart") {
  const Device device = make_reference_device();
  const Tensor z = normalize_rows(normal({60, 3}, 5, device)).y;
  for (const double eps2 : {0.1, 0.5, 1.5, 3.5}) {
    const auto net = epsilon_net(z, eps2);
    CHECK(std::set<std::int64_t>(net.begin(), net.end()).size() == net.size());
    for (std::int64_t i = 0; i < 60; ++i) {
      CHECK(std::ranges::any_of(net, [&](std::int64_t centre) { return squared_distance(z, i, centre) <= eps2; }));
    }
    for (std::size_t a = 0; a < net.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) CHECK(squared_distance(z, net[a], net[b]) > eps2);
    }
  }
}

TEST_CASE("packing on the sphere: both counts fall with eps2, and are known at the ends") {
  const Device device = make_reference_device();
  const Tensor z = normal({50, 4}, 6, device);
  std::vector<double> eps2;
  for (double value = 0.01; value < 4; value *= 1.5) eps2.push_back(value);
  eps2.push_back(3.999);
  const auto packing = sphere_packing(z, eps2);
  REQUIRE(packing.size() == eps2.size());
  for (std::size_t i = 1; i < packing.size(); ++i) {
    CHECK(packing[i].net <= packing[i - 1].net);
    CHECK(packing[i].log_packing < packing[i - 1].log_packing);
  }
  CHECK(packing.front().net == 50);  // all 50 vectors are farther than 0.1 from each other
  CHECK(packing.back().net <= 2);
  for (const Packing& at : packing) {
    const double rate = coding_length(z, lambda_of(z, at.eps2), {}, false).rate.item();
    CHECK(at.log_packing == doctest::Approx(rate).epsilon(kRounding));
  }
  // One direction: one ball, and √(1 + d/ε²) by volume.
  const auto line = sphere_packing(Tensor::full({7, 4}, 1.0, Dtype::f64, device), {1.0});
  CHECK(line[0].net == 1);
  CHECK(line[0].log_packing == doctest::Approx(std::log(5) / 2).epsilon(kRounding));
}

TEST_CASE("packing is defined for eps2 between 0 and 4 alone") {
  const Device device = make_reference_device();
  const Tensor z = normal({5, 4}, 6, device);
  for (const double eps2 : {0.0, -1.0, 4.0, 5.0, static_cast<double>(NAN)})
    CHECK_THROWS_AS(sphere_packing(z, {1.0, eps2}), ValueError);
  CHECK_THROWS_WITH_AS(sphere_packing(z, {4.0}),
                       "packing: eps2 lies between 0 and 4, the largest squared distance on the unit sphere, but is 4",
                       ValueError);
  CHECK_THROWS_AS(epsilon_net(z, 0), ValueError);
  CHECK_NOTHROW(epsilon_net(z, 5.0));  // in the plane of the figure there is no such end
}

#if MEC_HAVE_ZLIB

TEST_CASE("simple numbers deflate to less, and noise to about its entropy") {
  const Device device = make_reference_device();
  const Tensor noise = random({100, 100}, Dtype::f32, device, {.distribution = Distribution::uniform, .seed = 1});
  const Deflated of_noise = deflated_size({noise});
  CHECK(of_noise.values == 10000);
  CHECK(of_noise.entropy == doctest::Approx(8).epsilon(0.01));
  CHECK(of_noise.bits_per_value() > 7.9);

  const Deflated of_constant = deflated_size({Tensor::full({100, 100}, 3.0, Dtype::f32, device)});
  CHECK(of_constant.entropy == 0);
  CHECK(of_constant.bits_per_value() < 0.1);

  // Rows that repeat: the histogram says noise, DEFLATE finds the pattern.
  std::vector<std::int64_t> same(100, 7);
  const Deflated of_rows = deflated_size({gather_rows(noise, Tensor::from(same, {100}, device))});
  CHECK(of_rows.entropy > 6);
  CHECK(of_rows.bits_per_value() < 0.5);

  // Each tensor has steps of its own: a scale is not information.
  const Tensor half = noise.rows(0, 50);
  CHECK(deflated_size({half, scale(half, 1000.0)}).entropy == doctest::Approx(deflated_size({half}).entropy).epsilon(1e-3));
}

TEST_CASE("numbers that are not there or not finite are not compressed") {
  const Device device = make_reference_device();
  CHECK_THROWS_AS(deflated_size({}), ValueError);
  CHECK_THROWS_AS(deflated_size({Tensor::full({2}, NAN, Dtype::f32, device)}), ValueError);
}

#else

TEST_CASE("without zlib nothing is compressed, and the message says what to do") {
  const Device device = make_reference_device();
  CHECK_THROWS_WITH_AS(deflated_size({Tensor::zeros({2}, Dtype::f32, device)}),
                       "deflate: this build of mec has no zlib and cannot compress; build it with zlib", IoError);
}

#endif
