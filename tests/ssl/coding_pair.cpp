// Properties of the coding length of pairs, in f64 on the reference device. Values against PyTorch
// are in golden_mec.cpp.
#include "mec/ssl/losses/pair.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mec/tensor/backends/wrappers/forwarding.h"
#include "ssl/coding_samples.h"

using namespace mec;
using namespace mec::test;

namespace {

double metric(const CodingResult& result, CodingMetric which) { return at(result.metrics.to_vector<double>(), which); }

constexpr Sizes kSizes[] = {{6, 10}, {10, 6}, {7, 7}, {1, 5}, {5, 1}};

// p·z + noise: pairs that partly agree, as in training.
struct Pair {
  Tensor p, z;
};
Pair agreeing_pair(Sizes sizes, std::uint64_t seed, const Device& device) {
  const Tensor z = normal({sizes.m, sizes.d}, seed, device);
  return {add(z, scale(normal({sizes.m, sizes.d}, seed + 1, device), 0.5)), z};
}

}  // namespace

TEST_CASE("batch-wise equals feature-wise at every order, exactly and in both gradients") {
  const Device device = make_reference_device();
  for (const Sizes sizes : kSizes) {
    const auto [p, z] = agreeing_pair(sizes, 3, device);
    for (int order = 0; order <= 7; ++order) {
      CAPTURE(sizes.m);
      CAPTURE(sizes.d);
      CAPTURE(order);
      CodingOptions options{.order = std::max(order, 1), .exact = order == 0, .side = Side::batch};
      const Tensor lambda = lambda_of(p, 1.5 * static_cast<double>(sizes.d));
      const CodingResult batch = coding_length_pair(p, z, lambda, options, {.dp = true, .dz = true});
      options.side = Side::feature;
      const CodingResult feature = coding_length_pair(p, z, lambda, options, {.dp = true, .dz = true});
      CHECK(metric(batch, CodingMetric::loss) == doctest::Approx(metric(feature, CodingMetric::loss)).epsilon(kRounding));
      CHECK(largest_difference(batch.dp, feature.dp) < kRounding);
      CHECK(largest_difference(batch.dz, feature.dz) < kRounding);
    }
  }
}

TEST_CASE("order 1 is minus the mean cosine, whatever lambda is") {
  const Device device = make_reference_device();
  const auto [p, z] = agreeing_pair({9, 4}, 11, device);
  const Tensor cosines = sum(mul(normalize_rows(p).y, normalize_rows(z).y), 1);
  const double mean_cosine = sum(cosines).item() / 9;
  for (const double eps2 : {0.5, 64.0}) {
    for (const bool adapt : {false, true}) {
      const CodingResult result = coding_length_pair(p, z, lambda_of(p, eps2), {.order = 1, .adapt = adapt});
      CHECK(metric(result, CodingMetric::loss) == doctest::Approx(-mean_cosine).epsilon(kRounding));
    }
  }
}

TEST_CASE("the exact coding length is the limit of the series") {
  const Device device = make_reference_device();
  const auto [p, z] = agreeing_pair({8, 12}, 5, device);
  const Tensor lambda = lambda_of(p, 2.0 * 12);  // norm below one half: 50 terms leave 2⁻⁵⁰
  const CodingResult exact = coding_length_pair(p, z, lambda, {.exact = true}, {.dp = true, .dz = true});
  double before = INFINITY;
  for (const int order : {1, 4, 12, 50}) {
    const CodingResult series = coding_length_pair(p, z, lambda, {.order = order}, {.dp = true, .dz = true});
    const double distance = std::fabs(metric(series, CodingMetric::loss) - metric(exact, CodingMetric::loss));
    CHECK(distance < before);
    before = distance;
    if (order == 50) {
      CHECK(distance < kRounding);
      CHECK(largest_difference(series.dp, exact.dp) < kRounding);
      CHECK(largest_difference(series.dz, exact.dz) < kRounding);
    }
  }
}

TEST_CASE("gradients of every form agree with central differences") {
  const Device device = make_reference_device();
  std::vector<CodingOptions> forms{{.exact = true, .weight = 0.5}, {.exact = true, .side = Side::batch, .symmetrize = true}};
  for (int order = 1; order <= 7; ++order) forms.push_back({.order = order, .weight = 0.5});
  for (int order = 2; order <= 6; order += 2) forms.push_back({.order = order, .symmetrize = true});
  for (const CodingOptions& form : forms) {
    for (const Sizes sizes : {Sizes{5, 7}, Sizes{7, 4}}) {
      CAPTURE(form.order);
      CAPTURE(form.exact);
      CAPTURE(form.symmetrize);
      const auto [p, z] = agreeing_pair(sizes, 21, device);
      const Tensor lambda = lambda_of(p, 0.8 * static_cast<double>(sizes.d));
      const auto loss = [&](const std::vector<Variable>& x) {
        const CodingResult pair = coding_length_pair(x[0].data(), x[1].data(), lambda, form, {.dp = true, .dz = true});
        return record("mec", pair.metrics.segment(0, {1}), x, [pair](const Tensor& dy, const Needs&) -> Grads {
          return {scale(pair.dp, dy), scale(pair.dz, dy)};
        });
      };
      const GradcheckResult result = gradcheck(loss, {p, z});
      CHECK_MESSAGE(result.ok, result.message);
    }
  }
}

TEST_CASE("the symmetric even-order loss never passes -1") {
  const Device device = make_reference_device();
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto [p, z] = agreeing_pair({6, 9}, 100 + 2 * seed, device);
    for (const double eps2 : {0.01, 1.0, 50.0}) {
      for (const int order : {2, 4, 6}) {
        const CodingResult result = coding_length_pair(p, z, lambda_of(p, eps2), {.order = order, .symmetrize = true});
        CHECK(metric(result, CodingMetric::loss) >= -1.0);
      }
    }
  }
}

TEST_CASE("without symmetrising, order 4 does pass -1 on a matrix with complex eigenvalues") {
  // z is p with its rows shifted by one: C = λ·permutation, eigenvalues λ·(roots of unity), and tr
  // C⁴ < 0 is not bounded by the trace.
  const Device device = make_reference_device();
  const std::int64_t m = 8;
  std::vector<double> p(64, 0.0), z(64, 0.0);
  for (std::size_t i = 0; i < 8; ++i) {
    p[i * 8 + i] = 1.0;
    // Eighth power −1: fourth powers of the eigenvalues are ±i, sums cancel.
    z[i * 8 + (i + 1) % 8] = i == 7 ? -1.0 : 1.0;
    z[i * 8 + (i + 2) % 8] = 0.9;
  }
  const Tensor P = Tensor::from(p, {m, m}, device), Z = Tensor::from(z, {m, m}, device);
  const Tensor lambda = Tensor::full({1}, 6.0, Dtype::f64, device);
  const double plain = metric(coding_length_pair(P, Z, lambda, {.order = 4}), CodingMetric::loss);
  const double symmetric = metric(coding_length_pair(P, Z, lambda, {.order = 4, .symmetrize = true}), CodingMetric::loss);
  CAPTURE(plain);
  CHECK(symmetric >= -1.0);
  CHECK(plain < symmetric);
}

TEST_CASE("the spectral norm never exceeds d/eps2, and adapting brings it to 0.9 at most") {
  const Device device = make_reference_device();
  for (const Sizes sizes : kSizes) {
    const auto [p, z] = agreeing_pair(sizes, 8, device);
    // The worst case: one direction.
    const auto same = Tensor::full({sizes.m, sizes.d}, 1.0, Dtype::f64, device);
    for (const auto& [a, b] : {Pair{p, z}, Pair{same, same}}) {
      const double eps2 = 0.3;
      const double bound = static_cast<double>(sizes.d) / eps2;
      const CodingResult plain = coding_length_pair(a, b, lambda_of(a, eps2), {.order = 4});
      const CodingResult adapted = coding_length_pair(a, b, lambda_of(a, eps2), {.order = 4, .adapt = true});
      CHECK(metric(plain, CodingMetric::spectral_norm) <= bound * (1 + kRounding));
      CHECK(metric(plain, CodingMetric::effective_norm) == metric(plain, CodingMetric::spectral_norm));
      CHECK(metric(adapted, CodingMetric::spectral_norm) == metric(plain, CodingMetric::spectral_norm));
      CHECK(metric(adapted, CodingMetric::effective_norm) <= 0.9 * (1 + kRounding));
    }
    const double worst =
        metric(coding_length_pair(same, same, lambda_of(same, 0.3), {.order = 4}), CodingMetric::spectral_norm);
    CHECK(worst == doctest::Approx(static_cast<double>(sizes.d) / 0.3).epsilon(1e-9));
  }
}

TEST_CASE("the estimate of the norm reaches nine tenths of it on hard spectra") {
  // P Zᵀ with Z a rotation and P = diag(s) Q: singular values s. Hard: one value stands a little
  // above hundreds of equal ones.
  const Device device = make_reference_device();
  const std::int64_t n = 300;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for (const double others : {0.0, 0.5, 0.8, 0.87, 0.9, 0.99}) {
      // Q = I − 2vvᵀ, a reflection along a random direction: orthogonal, and nothing lines up with
      // the start vector.
      const Tensor v = normalize_rows(normal({1, n}, seed, device)).y;
      Tensor q = scale(matmul(v, v, {.trans_a = true}), -2.0);
      const auto eye = matrix_polynomial({q}, {1.0, 0.0});
      add_into(eye, q);
      std::vector<double> s(static_cast<std::size_t>(n), others);
      s[17] = 1.0;
      const Tensor p = transpose(mul(transpose(q), Tensor::from(s, {n}, device)));  // rows of Q scaled
      for (const Tensor& k : {p, Tensor()}) {                                       // P Zᵀ = P, given or not
        const auto [u, w] = spectral_norm_vectors(p, eye, k);
        const double estimate = std::sqrt(sum(mul(w, w)).item() / sum(mul(u, u)).item());
        CAPTURE(others);
        CHECK(estimate <= 1.0 + kRounding);
        CHECK(estimate >= 0.9);
      }
    }
  }
}

TEST_CASE("minimising the loss raises the coding length") {
  const Device device = make_reference_device();
  for (const CodingOptions& form : {CodingOptions{.order = 4, .symmetrize = true}, CodingOptions{.exact = true}}) {
    Tensor p = normal({12, 8}, 41, device);
    // Views of one image agree, so z follows p; all images start near one direction: collapsed, and
    // short to code.
    p = add(scale(p, 0.05), Tensor::full({12, 8}, 1.0, Dtype::f64, device));
    const Tensor lambda = lambda_of(p, 16.0);
    const double before = metric(coding_length_pair(p, p, lambda, {.exact = true}), CodingMetric::coding_length);
    for (int step = 0; step < 300; ++step) {
      const CodingResult pair = coding_length_pair(p, p, lambda, form, {.dp = true, .dz = true});
      p = sub(p, scale(add(pair.dp, pair.dz), 5.0));
    }
    const double after = metric(coding_length_pair(p, p, lambda, {.exact = true}), CodingMetric::coding_length);
    // Twelve unit rows in eight dimensions, spread evenly: Z ᵀZ = 12/8 I, so the length is
    // μ·8·log(1 + λ·12/8).
    const double best = 10.0 * 8.0 * std::log(1 + 8.0 / (12 * 16.0) * 1.5);
    CHECK(before < 0.95 * best);
    CHECK(after > 0.99 * best);
    CHECK(after <= best * (1 + kRounding));
  }
}

namespace {

// Counts products of two square matrices of the side that the series runs on.
class CountingBackend : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  int square_products = 0;

 protected:
  void on_call(KernelCall call) override {
    const auto* product = call.as<kernel::Matmul>();
    if (product && product->a.shape == Shape{5, 5} && product->b.shape == Shape{5, 5}) ++square_products;
    call.run();
  }
};

int square_products(const Device& device, CountingBackend& counter, int order, bool want_gradient) {
  counter.square_products = 0;
  const auto [p, z] = agreeing_pair({5, 11}, 2, device);
  coding_length_pair(p, z, lambda_of(p, 20.0), {.order = order}, {.dp = want_gradient});
  return counter.square_products;
}

}  // namespace

TEST_CASE("the gradient needs at most one square product beyond the forward's") {
  const auto counter = std::make_shared<CountingBackend>(make_reference_device());
  const Device device = counter;
  const int forward[] = {0, 0, 1, 1, 2, 2, 3, 3};  // ⌈n/2⌉ − 1
  for (int order = 1; order <= 8; ++order) {
    CAPTURE(order);
    CHECK(square_products(device, *counter, order, false) == forward[order - 1]);
    CHECK(square_products(device, *counter, order, true) == forward[order - 1] + (order > 3 ? 1 : 0));
  }
}

TEST_CASE("wrong input to the coding length is refused with both values") {
  const Device device = make_reference_device();
  const Tensor p = normal({4, 3}, 1, device), lambda = lambda_of(p, 1.0);
  CHECK_THROWS_AS(coding_length_pair(p, normal({4, 2}, 1, device), lambda, {}), ShapeError);
  CHECK_THROWS_AS(coding_length_pair(p, p.to(Dtype::f32), lambda, {}), DtypeError);
  CHECK_THROWS_AS(coding_length_pair(p, p, lambda, {.order = 0}), ValueError);
  CHECK_THROWS_AS(coding_length_pair(p, p, lambda, {.side = Side::feature, .symmetrize = true}), ValueError);
  CHECK_THROWS_WITH_AS(coding_lambda(4, 3, 0.0), "mec: the distortion eps2 is positive, but is 0", ValueError);
  CHECK_THROWS_AS(coding_lambda(4, 3, -1.0), ValueError);
  CHECK_THROWS_AS(coding_lambda(4, 3, NAN), ValueError);
}
