// Properties of the coding length of one set. Values against PyTorch are in golden_coding.cpp.
#include "mec/ssl/losses/length.h"

#include <doctest/doctest.h>

#include "ssl/coding_samples.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr Sizes kSizes[] = {{6, 10}, {10, 6}, {7, 7}, {1, 5}, {5, 1}};

}  // namespace

TEST_CASE("the length of orthonormal rows is known, in nats and in bits") {
  // Z = I (3,3), ε² = 1: λ = 1, so 3 eigenvalues of 2 and μ = 3.
  const Device device = make_reference_device();
  const Tensor z = matrix_polynomial({Tensor::zeros({3, 3}, Dtype::f64, device)}, {1.0, 0.0});
  const LengthResult result = coding_length(z, lambda_of(z, 1.0));
  CHECK(result.length.item() == doctest::Approx(9 * std::log(2)).epsilon(kRounding));
  CHECK(result.length.item() * kBitsPerNat == doctest::Approx(9).epsilon(kRounding));
  CHECK(result.rate.item() * kBitsPerNat == doctest::Approx(1.5).epsilon(kRounding));
  CHECK(result.norm.item() == doctest::Approx(1).epsilon(kRounding));
}

TEST_CASE("the length is the same batch-wise and feature-wise, exactly and at every order, with its gradient") {
  const Device device = make_reference_device();
  for (const Sizes sizes : kSizes) {
    const Tensor z = normal({sizes.m, sizes.d}, 3, device), lambda = lambda_of(z, 1.5 * static_cast<double>(sizes.d));
    for (int order = 0; order <= 5; ++order) {
      CAPTURE(sizes.m);
      CAPTURE(order);
      LengthOptions options{.exact = order == 0, .order = std::max(order, 1), .side = Side::batch};
      const LengthResult batch = coding_length(z, lambda, options);
      options.side = Side::feature;
      const LengthResult feature = coding_length(z, lambda, options);
      CHECK(batch.length.item() == doctest::Approx(feature.length.item()).epsilon(kRounding));
      // Two starts of the power iteration.
      CHECK(batch.norm.item() == doctest::Approx(feature.norm.item()).epsilon(1e-3));
      CHECK(largest_difference(batch.dz, feature.dz) < kRounding);
    }
  }
}

TEST_CASE("the length of a set is that of a pair of equal sets") {
  const Device device = make_reference_device();
  const Tensor z = normal({6, 9}, 4, device), lambda = lambda_of(z, 5.0);
  for (const bool exact : {true, false}) {
    const LengthResult set = coding_length(z, lambda, {.exact = exact, .order = 4});
    const CodingResult pair = coding_length_pair(z, z, lambda, {.order = 4, .exact = exact}, {.dp = true, .dz = true});
    const double pair_length = at(pair.metrics.to_vector<double>(), CodingMetric::coding_length);
    CHECK(set.length.item() == doctest::Approx(pair_length).epsilon(kRounding));
    // loss = −L/(μλm)
    const double factor = -7.5 * lambda.item() * 6;
    CHECK(largest_difference(set.dz, scale(add(pair.dp, pair.dz), factor)) < kRounding);
  }
}

TEST_CASE("the series approaches the exact length where it converges, and its condition says where") {
  const Device device = make_reference_device();
  for (const Sizes sizes : {Sizes{8, 12}, Sizes{12, 8}}) {
    const Tensor z = normal({sizes.m, sizes.d}, 5, device);
    const double exact = coding_length(z, lambda_of(z, 20.0), {}, false).length.item();
    const LengthResult series = coding_length(z, lambda_of(z, 20.0), {.exact = false, .order = 60}, false);
    CHECK(series.norm.item() < 1);
    CHECK(series.converges.item() == 1);
    CHECK(series.length.item() == doctest::Approx(exact).epsilon(kRounding));

    // The norm is proportional to λ, so to 1/ε². It is estimated from below, to nine tenths or
    // better.
    const double turning = 20.0 * series.norm.item();
    CHECK(coding_length(z, lambda_of(z, turning * 1.12), {.exact = false}, false).converges.item() == 1);
    CHECK(coding_length(z, lambda_of(z, turning * 0.98), {.exact = false}, false).converges.item() == 0);
  }
}

TEST_CASE("eps2 of at least d always converges") {
  const Device device = make_reference_device();
  // The worst case: one direction, the norm is d/ε².
  const Tensor same = Tensor::full({6, 4}, 1.0, Dtype::f64, device);
  CHECK(coding_length(same, lambda_of(same, 4.001)).converges.item() == 1);
  CHECK(coding_length(same, lambda_of(same, 3.999)).converges.item() == 0);
}

TEST_CASE("gradients of the length agree with central differences") {
  const Device device = make_reference_device();
  for (const Sizes sizes : {Sizes{5, 7}, Sizes{7, 4}}) {
    for (int order = 0; order <= 5; ++order) {
      for (const bool normalize : {true, false}) {
        const LengthOptions options{.exact = order == 0, .order = std::max(order, 1), .normalize = normalize};
        const Tensor z = normal({sizes.m, sizes.d}, 21, device), lambda = lambda_of(z, static_cast<double>(sizes.d));
        const GradcheckResult result = check_gradient(
            [&](const Tensor& x) {
              const LengthResult length = coding_length(x, lambda, options);
              return ValueAndGradient{length.length, length.dz};
            },
            z);
        CHECK_MESSAGE(result.ok, result.message);
      }
    }
  }
}

TEST_CASE("order 2 of the feature side is Barlow Twins' form") {
  // −μT₂ = (μ/2)[Σ(1 − C_ii)² + Σ_{i≠j} C_ij C_ji] − μd/2, with C = λZᵀP.
  const Device device = make_reference_device();
  for (const Sizes sizes : {Sizes{9, 5}, Sizes{5, 9}}) {
    const Tensor z = normal({sizes.m, sizes.d}, 31, device), p = add(z, normal({sizes.m, sizes.d}, 32, device));
    const Tensor lambda = lambda_of(p, 3.0);
    const CodingResult pair = coding_length_pair(p, z, lambda, {.order = 2, .side = Side::feature});
    const auto c = scale(matmul(normalize_rows(z).y, normalize_rows(p).y, {.trans_a = true}), lambda).to_vector<double>();
    const auto d = static_cast<std::size_t>(sizes.d);
    double form = 0;
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j < d; ++j) {
        form += i == j ? (1 - c[i * d + i]) * (1 - c[i * d + i]) : c[i * d + j] * c[j * d + i];
      }
    }
    const double mu = static_cast<double>(sizes.m + sizes.d) / 2;
    const double length = at(pair.metrics.to_vector<double>(), CodingMetric::coding_length);
    CHECK(-length == doctest::Approx(mu / 2 * form - mu * static_cast<double>(sizes.d) / 2).epsilon(kRounding));
  }
}

TEST_CASE("wrong input to the length of a set is refused with both values") {
  const Device device = make_reference_device();
  const Tensor z = normal({4, 3}, 1, device);
  CHECK_THROWS_WITH_AS(coding_length(z, lambda_of(z, 1.0), {.exact = false, .order = 0}),
                       "coding length: the order of the series is at least 1, but is 0", ValueError);
  CHECK_THROWS_AS(coding_length(z.reshape({12}), lambda_of(z, 1.0)), ShapeError);
  CHECK_THROWS_AS(coding_length(Tensor::zeros({0, 3}, Dtype::f64, device), lambda_of(z, 1.0)), ShapeError);
  CHECK_THROWS_AS(coding_length(z, lambda_of(z, 1.0).to(Dtype::f32)), DtypeError);
}
