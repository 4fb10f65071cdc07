#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : ArrayFixture {
  nlohmann::json loss(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"loss", "mec"});
    const ProgramResult result = run_program(folder, arguments);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    CHECK(std::ranges::count(result.out, '\n') == 1);
    return nlohmann::json::parse(result.out);
  }
  void fails(int status, const std::string& why, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"loss", "mec"});
    check_fails(folder, status, why, arguments);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec loss knows the exact values for orthonormal rows") {
  // P = Z = I (2,2): C = λI with λ = d/(m ε²) = 1/4, T = 2 log(5/4) exactly, μ = 2.
  const std::string p = write("p.npy", {1, 0, 0, 1}, {2, 2});
  const auto exact = loss({"--p", p, "--z", p, "--eps2", "4", "--order", "exact"});
  const double t = 2 * std::log(1.25);
  CHECK(exact.at("loss") == doctest::Approx(-t / 0.25 / 2).epsilon(1e-12));
  CHECK(exact.at("coding_length") == doctest::Approx(2 * t).epsilon(1e-12));
  CHECK(exact.at("per_sample") == doctest::Approx(t).epsilon(1e-12));
  CHECK(exact.at("spectral_norm") == doctest::Approx(0.25).epsilon(1e-12));
  CHECK(exact.at("norm_below_one") == true);
  const auto series = loss({"--p", p, "--z", p, "--eps2", "4"});
  const double t4 = 2 * (0.25 - 0.25 * 0.25 / 2 + std::pow(0.25, 3) / 3 - std::pow(0.25, 4) / 4);
  CHECK(series.at("coding_length") == doctest::Approx(2 * t4).epsilon(1e-12));
}

TEST_CASE_FIXTURE(Fixture, "mec loss says when the series does not converge") {
  // Equal directions: ‖PZᵀ‖ = 2, λ = 1/ε².
  const std::string p = write("p.npy", {1, 0, 2, 0}, {2, 2});
  const auto result = loss({"--p", p, "--z", p, "--eps2", "1"});
  CHECK(result.at("spectral_norm") == doctest::Approx(2).epsilon(1e-12));
  CHECK(result.at("norm_below_one") == false);
}

TEST_CASE_FIXTURE(Fixture, "mec loss gives one value whichever side is computed") {
  const std::string p = write_random("p.npy", {6, 10}, 1), z = write_random("z.npy", {6, 10}, 2);
  const auto batch = loss({"--p", p, "--z", z, "--side", "batch"}), feature = loss({"--p", p, "--z", z, "--side", "feature"});
  CHECK(batch.at("loss") == doctest::Approx(feature.at("loss").get<double>()).epsilon(1e-12));
}

TEST_CASE_FIXTURE(Fixture, "the gradients that mec loss writes are those of the loss that it prints") {
  const std::string p = write_random("p.npy", {5, 7}, 1), z = write_random("z.npy", {5, 7}, 2);
  const std::string gp = (folder / "gp.npy").string(), gz = (folder / "gz.npy").string();
  loss({"--p", p, "--z", z, "--grad-p", gp, "--grad-z", gz});
  for (const bool first : {true, false}) {
    const Tensor x = read_npy(first ? p : z, device), gradient = read_npy(first ? gp : gz, device);
    REQUIRE(gradient.shape() == x.shape());
    REQUIRE(gradient.dtype() == Dtype::f32);
    const Tensor direction = random(x.shape(), Dtype::f64, device, {.seed = 3});
    const auto at = [&](double h) {
      const Tensor moved = add(x.to(Dtype::f64), scale(direction, h));
      write_npy(folder / "moved.npy", moved);
      const std::string name = (folder / "moved.npy").string();
      return loss({"--p", first ? name : p, "--z", first ? z : name}).at("loss").get<double>();
    };
    const double slope = (at(1e-4) - at(-1e-4)) / 2e-4;
    CHECK(sum(mul(gradient.to(Dtype::f64), direction)).item() == doctest::Approx(slope).epsilon(1e-5));  // f32 files
  }
}

TEST_CASE_FIXTURE(Fixture, "mec loss refuses bad input in one line and writes nothing") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::string p = write("p.npy", {1, 0, 0, 1}, {2, 2});
  const std::string gp = (folder / "gp.npy").string();
  fails(1, "bad.npy: all values must be finite, but the one at [1,0] is nan",
        {"--p", p, "--z", write("bad.npy", {1, 0, nan, 1}, {2, 2}), "--grad-p", gp});
  fails(1, "missing.npy", {"--p", p, "--z", (folder / "missing.npy").string()});
  fails(1, "both must be (m,d)", {"--p", p, "--z", write("wide.npy", {1, 0, 0}, {1, 3})});
  fails(1, "embeddings are a matrix", {"--p", p, "--z", write("flat.npy", {1, 0, 0}, {3})});
  fails(1, "eps2 is positive, but is 0", {"--p", p, "--z", p, "--eps2", "0"});
  fails(1, "eps2 is positive, but is -1", {"--p", p, "--z", p, "--eps2", "-1"});
  fails(2, "an order is a whole number from 1 to 999, or exact, but is '0'", {"--p", p, "--z", p, "--order", "0"});
  // Z = −P with λ = 2: I + C = I − 2I, and det = 1 for two rows, −1 for one.
  const std::string one = write("one.npy", {1, 0}, {1, 2}), minus = write("minus.npy", {-1, 0}, {1, 2});
  fails(1, "det(I + C) ≤ 0", {"--p", one, "--z", minus, "--eps2", "1", "--order", "exact", "--grad-p", gp});
  fails(1, "raise --eps2 above 2", {"--p", one, "--z", minus, "--eps2", "1", "--order", "exact"});
  fails(1, "nowhere", {"--p", p, "--z", p, "--grad-p", (folder / "nowhere" / "gp.npy").string()});
  fails(1, "nowhere", {"--p", p, "--z", p, "--grad-p", gp, "--grad-z", (folder / "nowhere" / "gz.npy").string()});
  const std::filesystem::path taken = folder / "taken";
  std::filesystem::create_directory(taken);
  fails(1, "taken: Is a directory", {"--p", p, "--z", p, "--grad-p", gp, "--grad-z", taken.string()});
}

TEST_CASE_FIXTURE(Fixture, "mec loss tells wrong usage apart") {
  const std::string p = write("p.npy", {1, 0, 0, 1}, {2, 2});
  fails(2, "--symmetrize needs the batch side", {"--p", p, "--z", p, "--symmetrize", "--side", "feature"});
  fails(2, "--order: an order is a whole number from 1 to 999, or exact, but is 'four'", {"--p", p, "--z", p, "--order", "four"});
  fails(2, "--side", {"--p", p, "--z", p, "--side", "left"});
  fails(2, "each gradient needs a file of its own", {"--p", p, "--z", p, "--grad-p", "g.npy", "--grad-z", "g.npy"});
  fails(2, "--z is required", {"--p", p});
  fails(2, "--bogus", {"--p", p, "--z", p, "--bogus"});
}
