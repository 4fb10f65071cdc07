#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/ops.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : ArrayFixture {
  nlohmann::json coding(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "coding");
    const ProgramResult result = run_program(folder, arguments);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    CHECK(std::ranges::count(result.out, '\n') == 1);
    return nlohmann::json::parse(result.out);
  }
  void fails(int status, const std::string& why, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "coding");
    check_fails(folder, status, why, arguments);
  }
  // The gradient in the file against the slope of the printed value, along a random direction.
  // `moved` is the option that names the vectors, `others` are all other arguments.
  void check_slope(const std::string& what, const std::string& value, const std::string& moved, const std::string& vectors,
                   std::vector<std::string> others) const {
    others.insert(others.begin(), what);
    const auto run = [&](const std::string& file, const std::vector<std::string>& more) {
      std::vector<std::string> arguments = others;
      arguments.insert(arguments.end(), {moved, file});
      arguments.insert(arguments.end(), more.begin(), more.end());
      return coding(arguments).at(value).get<double>();
    };
    run(vectors, {"--grad", at("grad.npy")});
    const Tensor x = read_npy(vectors, device).to(Dtype::f64), gradient = read_npy(at("grad.npy"), device).to(Dtype::f64);
    REQUIRE(gradient.shape() == x.shape());
    const Tensor direction = random(x.shape(), Dtype::f64, device, {.seed = 3});
    const auto value_at = [&](double h) {
      write_npy(at("moved.npy"), add(x, scale(direction, h)));
      return run(at("moved.npy"), {});
    };
    const double slope = (value_at(1e-4) - value_at(-1e-4)) / 2e-4;
    CHECK(sum(mul(gradient, direction)).item() == doctest::Approx(slope).epsilon(1e-6));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec coding length knows orthonormal rows, in nats and bits") {
  // Scaled to unit length; λ = 1.
  const std::string z = write<float>("z.npy", {2, 0, 0, 0, 1, 0, 0, 0, 3}, {3, 3});
  const auto bits = coding({"length", "--z", z, "--eps2", "1", "--bits"});
  CHECK(bits.at("coding_length") == doctest::Approx(9).epsilon(1e-12));
  CHECK(bits.at("per_sample") == doctest::Approx(3).epsilon(1e-12));
  CHECK(bits.at("rate") == doctest::Approx(1.5).epsilon(1e-12));
  CHECK(bits.at("unit") == "bits");
  CHECK(bits.at("converges") == false);
  const auto nats = coding({"length", "--z", z, "--eps2", "2"});  // λ = ½
  CHECK(nats.at("coding_length") == doctest::Approx(9 * std::log(1.5)).epsilon(1e-12));
  CHECK(nats.at("norm") == doctest::Approx(0.5).epsilon(1e-9));
  CHECK(nats.at("converges") == true);
  const auto series = coding({"length", "--z", z, "--eps2", "2", "--order", "2", "--side", "feature"});
  CHECK(series.at("coding_length") == doctest::Approx(9 * (0.5 - 0.125)).epsilon(1e-12));
  const auto raw = coding({"length", "--z", z, "--eps2", "1", "--raw"});
  CHECK(raw.at("coding_length") == doctest::Approx(3 * std::log(5 * 2 * 10)).epsilon(1e-12));
}

TEST_CASE_FIXTURE(Fixture, "mec coding mixture takes memberships from labels, files, k-means and prototypes") {
  // Three vectors each around two orthogonal directions.
  const std::vector<float> values{1, 0, 0, 1, 0.01F, 0, 1, 0, 0.01F, 0, 1, 0, 0.01F, 1, 0, 0, 1, 0.01F};
  const std::string z = write("z.npy", values, {6, 3});
  const std::string labels = write<std::int32_t>("labels.npy", {0, 0, 0, 1, 1, 1}, {6});
  const std::string soft = write<float>("soft.npy", {1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1}, {6, 2});
  const std::string prototypes = write<float>("c.npy", {1, 0, 0, 0, 1, 0}, {2, 3});
  const auto by_labels = coding({"mixture", "--z", z, "--eps2", "1", "--labels", labels});
  CHECK(by_labels.at("sizes") == nlohmann::json({3, 3}));
  CHECK(by_labels.at("membership") == doctest::Approx(6 * std::log(2)).epsilon(1e-12));
  const double length = by_labels.at("coding_length");
  for (const std::vector<std::string>& source : {std::vector<std::string>{"--memberships", soft},
                                                 {"--kmeans", "2"},
                                                 {"--prototypes", prototypes, "--temperature", "0.02"}}) {
    std::vector<std::string> arguments{"mixture", "--z", z, "--eps2", "1"};
    arguments.insert(arguments.end(), source.begin(), source.end());
    CHECK(coding(arguments).at("coding_length") == doctest::Approx(length).epsilon(1e-9));
  }
  const auto without = coding({"mixture", "--z", z, "--eps2", "1", "--labels", labels, "--no-membership"});
  CHECK(without.at("coding_length").get<double>() == doctest::Approx(length - 6 * std::log(2)).epsilon(1e-12));
  const auto limit = coding({"mixture", "--z", z, "--eps2", "1", "--labels", labels, "--form", "limit", "--bits"});
  CHECK(limit.at("membership") == doctest::Approx(1).epsilon(1e-12));

  const auto reduction = coding({"rate-reduction", "--z", z, "--eps2", "1", "--labels", labels});
  CHECK(reduction.at("rate_reduction").get<double>() ==
        doctest::Approx(reduction.at("rate").get<double>() - reduction.at("rate_of_components").get<double>()).epsilon(1e-12));
  CHECK(reduction.at("rate_reduction") > 0.1);
}

TEST_CASE_FIXTURE(Fixture, "a mixture of one component is mec coding length, and as a pair mec loss mec") {
  const std::string z = write_random("z.npy", {5, 8}, 1), p = write_random("p.npy", {5, 8}, 2);
  const std::string one = write<std::int64_t>("one.npy", {0, 0, 0, 0, 0}, {5});
  const auto plain = coding({"length", "--z", z, "--eps2", "3"}),
             mixture = coding({"mixture", "--z", z, "--eps2", "3", "--labels", one});
  CHECK(mixture.at("coding_length") == doctest::Approx(plain.at("coding_length").get<double>()).epsilon(1e-12));
  const ProgramResult loss = run_program(folder, {"loss", "mec", "--p", p, "--z", z, "--eps2", "9", "--order", "4"});
  const auto pair = coding({"mixture", "--z", z, "--p", p, "--eps2", "9", "--order", "4", "--labels", one});
  const auto expected = nlohmann::json::parse(loss.out);
  CHECK(pair.at("loss") == doctest::Approx(expected.at("loss").get<double>()).epsilon(1e-12));
  CHECK(pair.at("coding_length") == doctest::Approx(expected.at("coding_length").get<double>()).epsilon(1e-12));
}

TEST_CASE_FIXTURE(Fixture, "the gradients that mec coding writes are those of what it prints") {
  const std::string z = write_random("z.npy", {6, 4}, 1), p = write_random("p.npy", {6, 4}, 2);
  const std::string labels = write<std::uint8_t>("labels.npy", {0, 1, 1, 0, 1, 2}, {6});
  check_slope("length", "coding_length", "--z", z, {"--eps2", "3"});
  check_slope("length", "coding_length", "--z", z, {"--eps2", "3", "--order", "3", "--raw"});
  check_slope("mixture", "coding_length", "--z", z, {"--eps2", "3", "--labels", labels});
  check_slope("mixture", "coding_length", "--z", z, {"--eps2", "3", "--labels", labels, "--form", "limit", "--raw"});
  check_slope("mixture", "loss", "--p", p, {"--z", z, "--eps2", "6", "--labels", labels});
  check_slope("rate-reduction", "rate_reduction", "--z", z, {"--eps2", "3", "--labels", labels});
}

TEST_CASE_FIXTURE(Fixture, "mec coding kl prints estimates, bounds and the referee") {
  const std::string zero = write<float>("zero.npy", {0}, {1, 1}), one = write<float>("one.npy", {1}, {1, 1});
  // N(0,1) against N(1,4): ½(log 4 − ½).
  const double closed = (std::log(4) - 0.5) / 2;
  const auto kl = coding({"kl", "--f-means", zero, "--f-variance", "1", "--g-means", one, "--g-variance", "4"});
  CHECK(kl.at("variational") == doctest::Approx(closed).epsilon(1e-12));
  CHECK(kl.at("variational_upper") == doctest::Approx(closed).epsilon(1e-12));
  CHECK(kl.at("lower") < closed);
  CHECK(kl.at("upper") > closed);
  CHECK(std::fabs(kl.at("monte_carlo").get<double>() - closed) < 4 * kl.at("standard_error").get<double>());
  const auto bits =
      coding({"kl", "--f-means", zero, "--f-variance", "1", "--g-means", one, "--g-variance", "4", "--samples", "0", "--bits"});
  CHECK(bits.at("variational") == doctest::Approx(closed / std::log(2)).epsilon(1e-12));
  CHECK_FALSE(bits.contains("monte_carlo"));

  const std::string z = write_random("z.npy", {8, 3}, 1), means = write_random("means.npy", {2, 3}, 2);
  const std::string variances = write<float>("v.npy", {1, 2, 3, 4, 5, 6}, {2, 3}),
                    weights = write<float>("w.npy", {0.25, 0.75}, {2});
  const auto batch =
      coding({"kl", "--z", z, "--bandwidth", "0.2", "--g-means", means, "--g-variances", variances, "--g-weights", weights});
  CHECK(batch.at("f_components") == 8);
  CHECK(batch.at("lower") <= batch.at("upper"));
  fails(2, "one of --z", {"kl", "--g-means", means, "--g-variance", "1"});
  fails(2, "--g-means needs one of", {"kl", "--z", z, "--g-means", means});
  fails(1, "w.npy", {"kl", "--z", z, "--g-means", z, "--g-variance", "1", "--g-weights", weights});
  fails(1, "widths 3 and 1", {"kl", "--z", z, "--g-means", one, "--g-variance", "1"});
}

TEST_CASE_FIXTURE(Fixture, "mec coding packing counts balls on the sphere and draws them in the plane") {
  const std::string z = write_random("z.npy", {40, 5}, 1);
  const auto out = coding({"packing", "--z", z, "--eps2", "0.1,0.5,1,3.9"});
  REQUIRE(out.at("packing").size() == 4);
  for (std::size_t i = 1; i < 4; ++i) CHECK(out.at("packing")[i].at("net") <= out.at("packing")[i - 1].at("net"));
  for (const auto& at : out.at("packing"))
    CHECK(at.at("packing_number") == doctest::Approx(std::exp(at.at("rate").get<double>())).epsilon(1e-12));
  fails(1, "between 0 and 4", {"packing", "--z", z, "--eps2", "1,4"});
  fails(1, "(m,2)", {"packing", "--z", z, "--eps2", "1", "--figure", at("f.csv")});
  fails(2, "draws one radius", {"packing", "--z", z, "--figure", at("f.csv")});
  fails(2, "--raw is for --figure", {"packing", "--z", z, "--eps2", "1", "--raw"});

  const std::string plane = write<float>("plane.npy", {0, 0, 0.5F, 0, 3, 4}, {3, 2});
  CHECK(coding({"packing", "--z", plane, "--eps2", "4", "--figure", at("f.csv"), "--raw"}).at("net") == 2);
  CHECK(read_bytes(folder / "f.csv") == "x,y,radius\n0,0,2\n0.5,0,0\n3,4,2\n");
}

TEST_CASE_FIXTURE(Fixture, "mec coding simplicity compresses features and weights") {
  const std::string z = write_random("z.npy", {200, 16}, 1);
#if MEC_HAVE_ZLIB
  SafetensorsFile weights;
  weights.tensors.push_back({"conv.weight", Tensor::zeros({4096}, Dtype::f32, device)});
  weights.tensors.push_back({"bn.num_batches_tracked", Tensor::from(std::vector<std::int64_t>{3}, {1}, device)});
  write_safetensors(at("w.safetensors"), weights);
  const auto out = coding({"simplicity", "--z", z, "--eps2", "8", "--weights", at("w.safetensors")});
  CHECK(out.at("features").at("values") == 3200);
  CHECK(out.at("features").at("bits_per_value") > 6);
  CHECK(out.at("weights").at("values") == 4096);
  CHECK(out.at("weights").at("bits_per_value") < 0.2);
  const auto length = coding({"length", "--z", z, "--eps2", "8"});
  CHECK(out.at("coding_length") == length.at("coding_length"));
#else
  fails(1, "has no zlib", {"simplicity", "--z", z});
#endif
}

TEST_CASE_FIXTURE(Fixture, "mec coding refuses bad input in one line and writes nothing") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::string z = write<float>("z.npy", {1, 0, 0, 1}, {2, 2}), grad = at("grad.npy");
  const std::string labels = write<std::int32_t>("labels.npy", {0, 1}, {2});
  fails(1, "bad.npy: all values must be finite", {"length", "--z", write<float>("bad.npy", {1, nan}, {1, 2}), "--grad", grad});
  fails(1, "which JSON cannot represent", {"length", "--raw", "--z", write<double>("far.npy", {1e200, 0, 0, 1e200}, {2, 2})});
  fails(1, "eps2 is positive, but is 0", {"length", "--z", z, "--eps2", "0", "--grad", grad});
  fails(2, "from 1 to 999, or exact, but is '0'", {"length", "--z", z, "--order", "0"});
  fails(2, "from 1 to 999, or exact, but is 'four'", {"length", "--z", z, "--order", "four"});
  fails(1, "a label for each of the 2 vectors",
        {"mixture", "--z", z, "--labels", write<std::int32_t>("l.npy", {0, 1, 0}, {3})});
  for (const std::int64_t label : {std::int64_t{-1}, std::int64_t{1000000}, std::int64_t{1} << 32, INT64_MIN}) {
    fails(1, concat("labels are between 0 and 999999, but label 1 is ", label),
          {"mixture", "--z", z, "--labels", write<std::int64_t>("far.npy", {0, label}, {2})});
  }
  fails(1, "labels are integers", {"mixture", "--z", z, "--labels", write<float>("f.npy", {0, 1}, {2})});
  fails(1, "row 1 sums to 0.5", {"mixture", "--z", z, "--memberships", write<float>("s.npy", {1, 0, 0.5F, 0}, {2, 2})});
  fails(1, "3 are asked for", {"mixture", "--z", z, "--kmeans", "3"});
  fails(2, "memberships", {"mixture", "--z", z});
  fails(2, "memberships", {"mixture", "--z", z, "--kmeans", "1", "--labels", labels});
  fails(2, "--p and --raw exclude each other", {"mixture", "--z", z, "--p", z, "--labels", labels, "--raw"});
  // C = −2 for one vector of each component: det(I + C) < 0.
  const std::string minus = write<float>("minus.npy", {-1, 0, 0, -1}, {2, 2});
  fails(1, "det(I + C) ≤ 0", {"mixture", "--z", z, "--p", minus, "--labels", labels, "--eps2", "1", "--grad", grad});
  fails(2, "A subcommand is required", {});
}
