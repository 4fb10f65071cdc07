// Properties of the mixture coding length, of memberships, and of rate reduction. Values against
// PyTorch are in golden_coding.cpp.
#include <doctest/doctest.h>

#include <set>

#include "mec/ssl/losses/kmeans.h"
#include "mec/ssl/losses/rate_reduction.h"
#include "ssl/coding_samples.h"

using namespace mec;
using namespace mec::test;

namespace {

Memberships one_component(const Tensor& z) {
  return Memberships::soft(Tensor::full({z.dim(0), 1}, 1.0, z.dtype(), z.device()));
}

// Labels as weights that are 0 or 1.
Tensor one_hot(const std::vector<std::int32_t>& labels, std::int64_t k, const Device& device) {
  std::vector<double> weights(labels.size() * static_cast<std::size_t>(k), 0.0);
  for (std::size_t i = 0; i < labels.size(); ++i)
    weights[i * static_cast<std::size_t>(k) + static_cast<std::size_t>(labels[i])] = 1.0;
  return Tensor::from(weights, {static_cast<std::int64_t>(labels.size()), k}, device);
}

std::vector<MixtureOptions> all_forms() {
  std::vector<MixtureOptions> forms;
  for (const bool exact : {true, false}) {
    for (const Side side : {Side::automatic, Side::batch, Side::feature}) {
      for (const MixtureForm form : {MixtureForm::finite, MixtureForm::limit}) {
        for (const bool term : {true, false})
          forms.push_back({.length = {.exact = exact, .order = 3, .side = side}, .form = form, .membership_term = term});
      }
    }
  }
  return forms;
}

}  // namespace

TEST_CASE("a mixture with one component is the plain coding length") {
  const Device device = make_reference_device();
  for (const Sizes sizes : {Sizes{6, 9}, Sizes{9, 6}}) {
    const Tensor z = normal({sizes.m, sizes.d}, 3, device), lambda = lambda_of(z, 7.0);
    const std::vector<std::int32_t> labels(static_cast<std::size_t>(sizes.m), 0);
    for (const Memberships& one : {one_component(z), Memberships::hard(labels, 1, Dtype::f64, device)}) {
      for (const MixtureOptions& options : all_forms()) {
        const LengthResult plain = coding_length(z, lambda, options.length);
        const MixtureResult mixture = mixture_coding_length(z, one, lambda, options);
        const bool finite = options.form == MixtureForm::finite;
        CHECK(mixture.length.item() == doctest::Approx((finite ? plain.length : plain.rate).item()).epsilon(kRounding));
        CHECK(std::fabs(mixture.membership.item()) < kRounding);
        const double factor = finite ? 1 : 1 / static_cast<double>(sizes.m + sizes.d);
        CHECK(largest_difference(mixture.dz, scale(plain.dz, factor)) < kRounding);
      }
    }
  }
}

TEST_CASE("hard memberships are soft ones that are 0 or 1, with a component of no vectors among them") {
  const Device device = make_reference_device();
  const std::vector<std::int32_t> labels{2, 0, 0, 3, 2, 2, 0, 3};
  const Memberships hard = Memberships::hard(labels, 4, Dtype::f64, device),
                    soft = Memberships::soft(one_hot(labels, 4, device));
  for (const std::int64_t d : {5, 12}) {
    const Tensor z = normal({8, d}, 6, device), lambda = lambda_of(z, 10.0);
    for (const MixtureOptions& options : all_forms()) {
      const MixtureResult a = mixture_coding_length(z, hard, lambda, options),
                          b = mixture_coding_length(z, soft, lambda, options);
      CHECK(a.length.item() == doctest::Approx(b.length.item()).epsilon(kRounding));
      CHECK(largest_difference(a.dz, b.dz) < kRounding);
      CHECK(largest_difference(a.converges, b.converges) == 0);
      // Power iteration on matrices of other sizes.
      CHECK(largest_difference(a.norms, b.norms) < 0.02);
      CHECK(all_finite(b.dz).item() == 1);
    }
  }
}

TEST_CASE("the membership term is the entropy of the components' shares") {
  const Device device = make_reference_device();
  const Tensor z = normal({8, 3}, 1, device), lambda = lambda_of(z, 2.0);
  const Memberships halves = Memberships::hard({0, 0, 1, 1, 0, 1, 0, 1}, 2, Dtype::f64, device);
  for (const bool finite : {true, false}) {
    MixtureOptions options{.form = finite ? MixtureForm::finite : MixtureForm::limit};
    const MixtureResult with = mixture_coding_length(z, halves, lambda, options);
    CHECK(with.membership.item() == doctest::Approx((finite ? 8 : 1) * std::log(2)).epsilon(kRounding));
    options.membership_term = false;
    const MixtureResult without = mixture_coding_length(z, halves, lambda, options);
    CHECK(with.length.item() - without.length.item() == doctest::Approx(with.membership.item()).epsilon(1e-10));
    CHECK(largest_difference(with.dz, without.dz) == 0);
  }
}

TEST_CASE("a component's series is cut by its own condition") {
  // Component 0 has one direction, norm d/ε², component 1 orthogonal rows, norm d/(2ε²).
  const Device device = make_reference_device();
  const Tensor z = Tensor::from(std::vector<double>{1, 0, 1, 0, 1, 0, 0, 1}, {4, 2}, device);
  const Memberships two = Memberships::hard({0, 0, 1, 1}, 2, Dtype::f64, device);
  const MixtureResult result = mixture_coding_length(z, two, lambda_of(z, 1.5), {.length = {.exact = false}});
  const auto norms = result.norms.to_vector<double>();
  CHECK(norms[0] == doctest::Approx(2 / 1.5).epsilon(1e-9));
  CHECK(norms[1] == doctest::Approx(1 / 1.5).epsilon(1e-9));
  CHECK(result.converges.to_vector<double>() == std::vector<double>{0, 1});
}

TEST_CASE("gradients of the mixture length, of the pair's loss and of rate reduction agree with central differences") {
  const Device device = make_reference_device();
  for (const Sizes sizes : {Sizes{5, 7}, Sizes{8, 4}}) {
    const Tensor z = normal({sizes.m, sizes.d}, 51, device), lambda = lambda_of(z, static_cast<double>(sizes.d));
    const Memberships soft = Memberships::soft(random_weights(sizes.m, 3, 52, device));
    for (const MixtureOptions& options : all_forms()) {
      const GradcheckResult result = check_gradient(
          [&](const Tensor& x) {
            const MixtureResult mixture = mixture_coding_length(x, soft, lambda, options);
            return ValueAndGradient{mixture.length, mixture.dz};
          },
          z);
      CHECK_MESSAGE(result.ok, result.message);
    }
    for (const bool exact : {true, false}) {
      const GradcheckResult result = check_gradient(
          [&](const Tensor& x) {
            const RateReduction reduction = rate_reduction(x, soft, lambda, {.exact = exact});
            return ValueAndGradient{reduction.reduction, reduction.dz};
          },
          z);
      CHECK_MESSAGE(result.ok, result.message);
    }
  }
}

TEST_CASE("both gradients of the pair's mixture loss agree with central differences") {
  const Device device = make_reference_device();
  std::vector<CodingOptions> kinds{
      {.exact = true}, {.order = 1}, {.order = 4, .weight = 0.5}, {.order = 4, .symmetrize = true}};
  for (const Sizes sizes : {Sizes{5, 7}, Sizes{8, 4}}) {
    const Tensor z = normal({sizes.m, sizes.d}, 61, device), p = add(z, normal({sizes.m, sizes.d}, 62, device));
    const Memberships soft = Memberships::soft(random_weights(sizes.m, 3, 63, device));
    const Tensor lambda = lambda_of(z, 1.2 * static_cast<double>(sizes.d));
    for (const CodingOptions& kind : kinds) {
      for (const MixtureForm form : {MixtureForm::finite, MixtureForm::limit}) {
        const auto loss = [&](const std::vector<Variable>& x) {
          const MixturePair pair =
              mixture_pair(x[0].data(), x[1].data(), soft, lambda, {.pair = kind, .form = form}, {.dp = true, .dz = true});
          return record("mixture", pair.metrics.segment(0, {1}), x, [pair](const Tensor& dy, const Needs&) -> Grads {
            return {scale(pair.dp, dy), scale(pair.dz, dy)};
          });
        };
        const GradcheckResult result = gradcheck(loss, {p, z});
        CHECK_MESSAGE(result.ok, result.message);
      }
    }
  }
}

TEST_CASE("the pair's mixture loss is the plain one for one component, and minus the mean cosine at order 1") {
  const Device device = make_reference_device();
  const Tensor z = normal({6, 9}, 71, device), p = add(z, normal({6, 9}, 72, device)), lambda = lambda_of(z, 6.0);
  for (const CodingOptions& kind : {CodingOptions{.exact = true}, CodingOptions{.order = 4}, CodingOptions{.adapt = true}}) {
    const CodingResult plain = coding_length_pair(p, z, lambda, kind);
    const auto expected = plain.metrics.to_vector<double>();
    for (const MixtureForm form : {MixtureForm::finite, MixtureForm::limit}) {
      const MixturePair mixture = mixture_pair(p, z, one_component(z), lambda, {.pair = kind, .form = form});
      const auto metrics = mixture.metrics.to_vector<double>();
      CHECK(metrics[0] == doctest::Approx(at(expected, CodingMetric::loss)).epsilon(kRounding));
      CHECK(largest_difference(mixture.dp, plain.dp) < kRounding);
      CHECK(metrics[3] == doctest::Approx(at(expected, CodingMetric::spectral_norm)).epsilon(kRounding));
      if (form == MixtureForm::finite)
        CHECK(metrics[1] == doctest::Approx(at(expected, CodingMetric::coding_length)).epsilon(kRounding));
    }
  }
  const Memberships soft = Memberships::soft(random_weights(6, 3, 73, device));
  const double cosines = sum(mul(normalize_rows(p).y, normalize_rows(z).y)).item();
  const MixturePair first = mixture_pair(p, z, soft, lambda, {.pair = {.order = 1}, .form = MixtureForm::limit});
  CHECK(first.metrics.segment(0, {1}).item() == doctest::Approx(-cosines / 6).epsilon(kRounding));
}

TEST_CASE("rate reduction is never negative, 0 for one component, and falls when the labels are wrong") {
  const Device device = make_reference_device();
  // Two orthogonal planes of R⁴, three vectors in each.
  const Tensor z = Tensor::from(std::vector<double>{1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0,  //
                                                    0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, -1},
                                {6, 4}, device);
  const Tensor lambda = lambda_of(z, 0.5);
  const auto reduction = [&](const Memberships& memberships) {
    return rate_reduction(z, memberships, lambda, {}, false).reduction.item();
  };
  const double right = reduction(Memberships::hard({0, 0, 0, 1, 1, 1}, 2, Dtype::f64, device));
  CHECK(right > 0.5);
  CHECK(reduction(Memberships::hard({0, 1, 0, 1, 0, 1}, 2, Dtype::f64, device)) < 0.7 * right);
  CHECK(std::fabs(reduction(one_component(z))) < kRounding);
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    CHECK(reduction(Memberships::soft(random_weights(6, 3, seed, device))) > -kRounding);
}

TEST_CASE("k-means finds separated clusters, the same for the same seed") {
  const Device device = make_reference_device();
  const Tensor centres = scale(normal({4, 6}, 81, device), 10.0);
  std::vector<std::int64_t> index;
  for (std::int64_t i = 0; i < 60; ++i) index.push_back(i % 4);
  const Tensor x = add(gather_rows(centres, Tensor::from(index, {60}, device)), normal({60, 6}, 82, device));
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const KMeans found = kmeans(x, {.components = 4, .seed = seed});
    for (std::size_t i = 4; i < 60; ++i) CHECK(found.labels[i] == found.labels[i % 4]);
    CHECK(std::set<std::int32_t>(found.labels.begin(), found.labels.end()).size() == 4);
    CHECK(kmeans(x, {.components = 4, .seed = seed}).labels == found.labels);
    // Sums of squares around the means: (60 − 4)·6 degrees of freedom.
    CHECK(found.inertia == doctest::Approx(336).epsilon(0.25));
  }
  CHECK(kmeans(x, {.components = 60}).inertia < kRounding);
  CHECK(kmeans(Tensor::full({5, 2}, 1.0, Dtype::f64, device), {.components = 3}).labels.size() == 5);  // all alike
  CHECK_THROWS_WITH_AS(kmeans(x, {.components = 61}), "k-means: 60 vectors make 1 to 60 components, but 61 are asked for",
                       ValueError);
}

TEST_CASE("soft k-means on the sphere moves prototypes to the vectors, and memberships follow") {
  const Device device = make_reference_device();
  const Tensor z = Tensor::from(std::vector<double>{1, 0.1, 1, -0.1, -0.1, 1, 0.1, 1}, {4, 2}, device);
  const PrototypeOptions options{.components = 2, .temperature = 0.05, .rounds = 10};
  const Tensor start = Tensor::from(std::vector<double>{0.8, 0.6, 0.6, 0.8}, {2, 2}, device);
  const auto weights = prototype_memberships(z, soft_kmeans(z, start, options), 0.05).to_vector<double>();
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(weights[2 * i] + weights[2 * i + 1] == doctest::Approx(1).epsilon(kRounding));
    CHECK(weights[2 * i + (i < 2 ? 0 : 1)] > 0.999);
  }
}

TEST_CASE("wrong memberships are refused with both values") {
  const Device device = make_reference_device();
  const Tensor z = normal({3, 2}, 1, device);
  CHECK_THROWS_WITH_AS(Memberships::hard({0, 3, 1}, 3, Dtype::f64, device), "memberships: labels lie in [0,3), but one is 3",
                       ValueError);
  CHECK_THROWS_AS(mixture_coding_length(z, Memberships::hard({0, 1}, 2, Dtype::f64, device), lambda_of(z, 1.0)), ShapeError);
  CHECK_THROWS_AS(mixture_coding_length(z, Memberships::hard({0, 1, 1}, 2, Dtype::f32, device), lambda_of(z, 1.0)), DtypeError);
  const auto weights = [&](std::vector<double> values) { return Tensor::from(values, {3, 2}, device); };
  CHECK_NOTHROW(check_memberships(weights({1, 0, 0.25, 0.75, 0.5, 0.5}), "x.npy"));
  CHECK_THROWS_WITH_AS(check_memberships(weights({1, 0, 0.25, 0.5, 0.5, 0.5}), "x.npy"),
                       "x.npy: the memberships of a vector sum to 1, but row 1 sums to 0.75", ValueError);
  CHECK_THROWS_AS(check_memberships(weights({1, 0, 1.25, -0.25, 0.5, 0.5}), "x.npy"), ValueError);
  CHECK_THROWS_AS(check_memberships(weights({1, 0, NAN, 1, 0.5, 0.5}), "x.npy"), ValueError);
}
