// The effective rank, against spectra that are known.
#include "mec/ssl/run/effective_rank.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "mec/tensor/backends/wrappers/forwarding.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

namespace {

const Device kDevice = make_cpu_device();

Tensor matrix(const Shape& shape, const std::vector<double>& values) { return Tensor::from<double>(values, shape, kDevice); }

double rank_of(const std::vector<double>& singular_values) {
  const double sum = std::accumulate(singular_values.begin(), singular_values.end(), 0.0);
  double entropy = 0;
  for (const double value : singular_values) entropy -= value / sum * std::log(value / sum);
  return std::exp(entropy);
}

}  // namespace

TEST_CASE("the effective rank of embeddings is 1 where they have one direction, and all where they have all alike") {
  CHECK(effective_rank(matrix({3, 4}, {1, 2, 3, 4, 2, 4, 6, 8, -4, -8, -12, -16})) == doctest::Approx(1).epsilon(1e-6));
  CHECK(effective_rank(matrix({3, 3}, {0, 2, 0, 2, 0, 0, 0, 0, -2})) == doctest::Approx(3).epsilon(1e-12));
  for (const Shape& shape : {Shape{2, 5}, Shape{5, 2}}) {
    Tensor z = Tensor::zeros(shape, Dtype::f64, kDevice);
    z.segment(0, {1}).fill(3);
    z.segment(shape[1] + 1, {1}).fill(-1);
    CHECK(effective_rank(z) == doctest::Approx(rank_of({3, 1})).epsilon(1e-12));
    CHECK(effective_rank(z.to(Dtype::f32)) == doctest::Approx(rank_of({3, 1})).epsilon(1e-12));
  }
  CHECK(effective_rank(Tensor::zeros({3, 2}, Dtype::f32, kDevice)) == 0);
  CHECK(std::isnan(effective_rank(matrix({2, 2}, {1, 0, 0, std::numeric_limits<double>::infinity()}))));
  CHECK_THROWS_AS(effective_rank(Tensor::zeros({3}, Dtype::f32, kDevice)), ShapeError);
}

TEST_CASE("the effective rank has the same bits for any number of threads, and later values change nothing") {
  const Tensor z = random({40, 60}, Dtype::f32, kDevice, {.distribution = Distribution::normal, .seed = 1});
  const double rank = effective_rank(z);
  CHECK(rank > 30);
  CHECK(rank < 40);
  for (const int threads : {1, 3}) CHECK(effective_rank(z.to(make_cpu_device({.threads = threads}))) == rank);
  const auto late = effective_rank_later(z, rank_host());
  z.fill(1);
  CHECK(late() == rank);
}

TEST_CASE("a device that does not compute in f64, as a GPU, has the same rank") {
  struct Narrow final : ForwardingBackend {
    Narrow() : ForwardingBackend(make_reference_device()) {}
    bool supports(Dtype dtype) const override { return dtype == Dtype::f32; }
  };
  const Tensor z = random({20, 30}, Dtype::f32, kDevice, {.distribution = Distribution::normal, .seed = 2});
  CHECK(effective_rank(z.to(std::make_shared<Narrow>())) == effective_rank(z));
}

TEST_CASE("of many embeddings the first rows are enough") {
  Tensor z = Tensor::zeros({kRankRows + 8, 2}, Dtype::f32, kDevice);
  z.rows(0, kRankRows).fill(1);
  z.segment(2 * kRankRows, {1}).fill(100);
  CHECK(effective_rank(z) == doctest::Approx(1).epsilon(1e-6));
}
