// What `mec loss` and `mec coding` print for each of their options: what the library gives with all
// of them far from their defaults, to the bit; and without any one of them, something else.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "mec/nn/module.h"
#include "mec/ssl/losses/gaussian_mixture_kl.h"
#include "mec/ssl/losses/kmeans.h"
#include "mec/ssl/losses/mixture.h"
#include "mec/ssl/losses/packing.h"
#include "mec/ssl/losses/rate_reduction.h"
#include "mec/ssl/losses/simplicity.h"
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/ops.h"
#include "support/option_rows.h"

using namespace mec;
using namespace mec::test;
using nlohmann::json;

namespace {

struct Fixture : ArrayFixture {
  Device cpu = make_cpu_device({.threads = 1});

  // f64 on the program's device, as it reads them.
  Tensor read(const std::string& path) const { return read_npy(path, cpu).to(Dtype::f64); }
  json run(Words words, const std::vector<Words>& options) const {
    for (const Words& option : options) words.insert(words.end(), option.begin(), option.end());
    words.insert(words.end(), {"--threads", "1"});
    const ProgramResult result = run_program(folder, words);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return json::parse(result.out);
  }
  // Every option of the command is `needed`, one of `options`, each of which matters, or in
  // `others`, which are tested elsewhere.
  json check_each(const Words& command, const Words& needed, const std::vector<Words>& options,
                  const std::set<std::string>& others = {}) const {
    std::set<std::string> rows = others;
    for (const std::string& word : needed) {
      if (word.starts_with("--")) rows.insert(word);
    }
    for (const Words& option : options) rows.insert(option[0]);
    check_rows(command, rows);
    Words words = command;
    words.insert(words.end(), needed.begin(), needed.end());
    const json all = run(words, options);
    for (std::size_t i = 0; i < options.size(); ++i) {
      CAPTURE(options[i][0]);
      std::vector<Words> fewer = options;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      CHECK(run(words, fewer) != all);
    }
    return all;
  }
  void check_file(const std::string& path, const Tensor& expected) const {
    const Tensor found = read_npy(path, cpu);
    REQUIRE(found.shape() == expected.shape());
    CHECK(found.to(Dtype::f64).to_vector<double>() ==
          expected.to(found.dtype()).to(Dtype::f64).to_vector<double>());
  }
};

// Nine vectors, and what their components may be.
struct MixtureFixture : Fixture {
  const std::string z = write_random("z.npy", {9, 4}, 1), p = write_random("p.npy", {9, 4}, 2);
  const std::string prototypes = write_random("c.npy", {3, 4}, 3), grad = at("grad.npy");
  const std::vector<std::int32_t> of{0, 1, 2, 0, 1, 2, 0, 0, 1};
  const std::string labels = write("labels.npy", of, {9});
  const std::string soft = write<double>(
      "soft.npy", {.1, .9, .2, .8, .3, .7, .4, .6, .5, .5, .6, .4, .7, .3, .8, .2, .9, .1}, {9, 2});
  const Tensor Z = read(z);

  Memberships hard(const std::vector<std::int32_t>& labels_of, std::int64_t k) const {
    return Memberships::hard(labels_of, k, Dtype::f64, cpu);
  }
};

double item(const Tensor& tensor) { return tensor.item(); }

}  // namespace

TEST_CASE_FIXTURE(
    Fixture, "mec loss mec prints the library's loss for its options, and writes both gradients") {
  const std::string p = write_random("p.npy", {6, 4}, 1), z = write_random("z.npy", {6, 4}, 2);
  const json out = check_each({"loss", "mec"}, {"--p", p, "--z", z},
                              {{"--eps2", "9"}, {"--order", "3"}, {"--symmetrize"}},
                              {"--side", "--grad-p", "--grad-z"});
  const Tensor P = read(p), Z = read(z), lambda = coding_lambda(Z, 9);
  const CodingOptions options{.order = 3, .symmetrize = true};
  const auto metrics = coding_length_pair(P, Z, lambda, options).metrics.to_vector<double>();
  CHECK(out.at("loss") == mec::at(metrics, CodingMetric::loss));
  CHECK(out.at("coding_length") == mec::at(metrics, CodingMetric::coding_length));
  CHECK(out.at("per_sample") == mec::at(metrics, CodingMetric::coding_length) / 6);
  CHECK(out.at("lambda") == 4.0 / (6 * 9));
  CHECK(out.at("spectral_norm").get<double>() ==
        doctest::Approx(mec::at(metrics, CodingMetric::spectral_norm)).epsilon(1e-3));
  CHECK(out.at("norm_below_one") == true);
  CHECK(out.at("m") == 6);
  CHECK(out.at("d") == 4);
  for (const auto& [name, side] :
       {std::pair("batch", Side::batch), std::pair("feature", Side::feature)}) {
    const std::string grad_p = this->at("gp.npy"), grad_z = this->at("gz.npy");
    const json sided =
        run({"loss", "mec", "--p", p, "--z", z},
            {{"--side", name}, {"--grad-p", grad_p}, {"--grad-z", grad_z}, {"--order", "exact"}});
    const CodingResult expected = coding_length_pair(
        P, Z, coding_lambda(Z, 64), {.exact = true, .side = side}, {.dp = true, .dz = true});
    CHECK(sided.at("loss") == mec::at(expected.metrics.to_vector<double>(), CodingMetric::loss));
    check_file(grad_p, expected.dp);
    check_file(grad_z, expected.dz);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "mec loss of each method prints the library's metrics for its numbers, and "
                  "writes both gradients") {
  const std::string p = write_random("p.npy", {6, 4}, 1), z = write_random("z.npy", {6, 4}, 2);
  const std::string queue = write_random("queue.npy", {5, 4}, 3), grad_p = at("gp.npy"),
                    grad_z = at("gz.npy");
  for (const Method& method : methods()) {
    if (method.name == "mec") continue;
    CAPTURE(method.name);
    PretrainSettings settings;
    choose_method(settings, method.name);
    settings.model.dim = 4;
    settings.train.batch = 1;
    std::vector<Words> options;
    for (const MethodSetting& number : method.settings) {
      if (!number.of_pair) continue;
      const std::string value = concat(number.kind == MethodSetting::Kind::whole ? number.value + 4 : number.value * 3);
      settings.method_settings.at(number.name) = std::stod(value);
      std::string flag = "--" + number.name;
      std::ranges::replace(flag, '_', '-');
      options.push_back({flag, value});
    }
    Words needed{"--p", p, "--z", z};
    if (method.pair_reads_queue) {
      needed.insert(needed.end(), {"--queue", queue});
      settings.method_settings.at("queue") = 5;
    }
    const json out = check_each({"loss", method.name}, needed, options, {"--grad-p", "--grad-z"});
    const auto objective = make_objective(settings, cpu, Dtype::f64);
    if (method.pair_reads_queue)
      objective->state().at(0).tensor.copy_from(normalize_rows(read(queue)).y);
    const PairResult expected = objective->pair(read(p), read(z), {.dp = true, .dz = true});
    json metrics{{"m", 6}, {"d", 4}};
    const auto values = expected.metrics.to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) metrics[objective->metrics()[i]] = values[i];
    CHECK(out == metrics);
    Words words{"loss", method.name};
    words.insert(words.end(), needed.begin(), needed.end());
    options.insert(options.end(), {{"--grad-p", grad_p}, {"--grad-z", grad_z}});
    run(words, options);
    check_file(grad_p, expected.dp);
    check_file(grad_z, expected.dz);
  }
}

TEST_CASE_FIXTURE(Fixture, "mec coding length prints the library's numbers for its options") {
  const std::string z = write_random("z.npy", {6, 4}, 1), grad = at("grad.npy");
  const json out =
      check_each({"coding", "length"}, {"--z", z},
                 {{"--eps2", "5"}, {"--order", "3"}, {"--raw"}, {"--bits"}}, {"--side", "--grad"});
  const Tensor Z = read(z);
  const LengthResult length =
      coding_length(Z, coding_lambda(Z, 5), {.exact = false, .order = 3, .normalize = false}, true);
  CHECK(out == json{{"coding_length", item(length.length) * kBitsPerNat},
                    {"per_sample", item(length.length) / 6 * kBitsPerNat},
                    {"rate", item(length.rate) * kBitsPerNat},
                    {"unit", "bits"},
                    {"norm", item(length.norm)},
                    {"converges", item(length.converges) == 1},
                    {"eps2", 5.0},
                    {"m", 6},
                    {"d", 4}});
  for (const auto& [name, side] :
       {std::pair("batch", Side::batch), std::pair("feature", Side::feature)}) {
    const json sided = run({"coding", "length", "--z", z}, {{"--side", name}, {"--grad", grad}});
    const LengthResult expected = coding_length(Z, coding_lambda(Z, 64), {.side = side}, true);
    CHECK(sided.at("coding_length") == item(expected.length));
    check_file(grad, expected.dz);
  }
}

TEST_CASE_FIXTURE(
    MixtureFixture,
    "mec coding mixture and rate-reduction print the library's numbers for their options") {
  const std::set<std::string> others{"--labels", "--memberships", "--kmeans",
                                     "--seed",   "--side",        "--grad"};
  const Tensor lambda = coding_lambda(Z, 5);
  const Memberships by_prototypes =
      Memberships::soft(prototype_memberships(Z, read(prototypes), 0.6));
  const LengthOptions series{.exact = false, .order = 3, .normalize = false};
  const std::vector<Words> common{
      {"--eps2", "5"}, {"--order", "3"}, {"--raw"}, {"--bits"}, {"--temperature", "0.6"}};

  std::vector<Words> of_mixture = common;
  of_mixture.insert(of_mixture.end(), {{"--form", "limit"}, {"--no-membership"}});
  std::set<std::string> and_p = others;
  and_p.insert("--p");
  const json out =
      check_each({"coding", "mixture"}, {"--z", z, "--prototypes", prototypes}, of_mixture, and_p);
  const MixtureResult mixture = mixture_coding_length(
      Z, by_prototypes, lambda,
      {.length = series, .form = MixtureForm::limit, .membership_term = false}, true);
  CHECK(out.at("coding_length") == item(mixture.length) * kBitsPerNat);
  CHECK(out.at("membership") == item(mixture.membership) * kBitsPerNat);
  CHECK(out.at("membership_counted") == false);
  CHECK(out.at("per") == "sample");
  CHECK(out.at("unit") == "bits");
  CHECK(out.at("form") == "limit");
  CHECK(out.at("components") == 3);
  CHECK(out.at("sizes") == by_prototypes.sizes().to_vector<double>());
  CHECK(out.at("norms") == mixture.norms.to_vector<double>());

  const json reduced = check_each({"coding", "rate-reduction"},
                                  {"--z", z, "--prototypes", prototypes}, common, others);
  const RateReduction reduction = rate_reduction(Z, by_prototypes, lambda, series, true);
  CHECK(reduced == json{{"rate_reduction", item(reduction.reduction) * kBitsPerNat},
                        {"rate", item(reduction.whole) * kBitsPerNat},
                        {"rate_of_components", item(reduction.components) * kBitsPerNat},
                        {"unit", "bits"},
                        {"components", 3},
                        {"m", 9},
                        {"d", 4}});
}

TEST_CASE_FIXTURE(MixtureFixture,
                  "mec coding mixture and rate-reduction take memberships from each source, and "
                  "write gradients") {
  const Tensor unit = normalize_rows(Z).y;
  const std::vector<std::pair<std::vector<Words>, Memberships>> sources{
      {{{"--labels", labels}}, hard(of, 3)},
      {{{"--memberships", soft}}, Memberships::soft(read(soft))},
      {{{"--kmeans", "4"}}, hard(kmeans(unit, {.components = 4}).labels, 4)},
      {{{"--kmeans", "4"}, {"--seed", "8"}},
       hard(kmeans(unit, {.components = 4, .seed = 8}).labels, 4)},
      {{{"--prototypes", prototypes}},
       Memberships::soft(prototype_memberships(Z, read(prototypes), 0.1))},
  };
  for (const auto& source : sources) {
    auto words = source.first;
    const auto& memberships = source.second;
    CAPTURE(words.back()[0]);
    words.push_back({"--grad", grad});
    const Tensor at_64 = coding_lambda(Z, 64);
    const MixtureResult expected = mixture_coding_length(Z, memberships, at_64, {}, true);
    CHECK(run({"coding", "mixture", "--z", z}, words).at("coding_length") == item(expected.length));
    check_file(grad, expected.dz);
    const RateReduction expected_reduction = rate_reduction(Z, memberships, at_64, {}, true);
    CHECK(run({"coding", "rate-reduction", "--z", z}, words).at("rate_reduction") ==
          item(expected_reduction.reduction));
    check_file(grad, expected_reduction.dz);
  }
  CHECK(kmeans(unit, {.components = 4}).labels !=
        kmeans(unit, {.components = 4, .seed = 8}).labels);
}

TEST_CASE_FIXTURE(MixtureFixture,
                  "mec coding mixture takes a side, and a student for the loss of a pair") {
  for (const auto& [name, side] :
       {std::pair("batch", Side::batch), std::pair("feature", Side::feature)}) {
    const json sided =
        run({"coding", "mixture", "--z", z}, {{"--side", name}, {"--labels", labels}});
    const MixtureResult expected = mixture_coding_length(Z, hard(of, 3), coding_lambda(Z, 64),
                                                         {.length = {.side = side}}, false);
    CHECK(sided.at("coding_length") == item(expected.length));
  }

  const json pair = run({"coding", "mixture", "--z", z, "--p", p}, {{"--labels", labels},
                                                                    {"--form", "limit"},
                                                                    {"--eps2", "20"},
                                                                    {"--order", "3"},
                                                                    {"--grad", grad}});
  const MixturePair expected =
      mixture_pair(read(p), Z, hard(of, 3), coding_lambda(Z, 20),
                   {.pair = {.order = 3}, .form = MixtureForm::limit}, {.dp = true});
  const auto metrics = expected.metrics.to_vector<double>();
  CHECK(pair.at("loss") == metrics[0]);
  CHECK(pair.at("coding_length") == metrics[1]);
  CHECK(pair.at("membership") == metrics[2]);
  CHECK(pair.at("norms") == std::vector<double>(metrics.begin() + 3, metrics.begin() + 6));
  check_file(grad, expected.dp);
}

TEST_CASE_FIXTURE(Fixture, "mec coding kl prints the library's numbers for its options") {
  const std::string z = write_random("z.npy", {5, 3}, 1),
                    means = write_random("means.npy", {2, 3}, 2);
  const std::string variances = write<double>("v.npy", {1, 2, 3, 4, 5, 6}, {2, 3}),
                    weights = write<double>("w.npy", {0.25, 0.75}, {2});
  const std::set<std::string> of_f{"--f-means", "--f-variances", "--f-variance", "--f-weights",
                                   "--g-variance"};
  const json out =
      check_each({"coding", "kl"}, {"--z", z, "--g-means", means, "--g-variances", variances},
                 {{"--raw"},
                  {"--bandwidth", "0.7"},
                  {"--g-weights", weights},
                  {"--rounds", "1"},
                  {"--samples", "50"},
                  {"--seed", "4"},
                  {"--bits"}},
                 of_f);
  const GaussianMixture g({0.25, 0.75}, read(means).to_vector<double>(), {1, 2, 3, 4, 5, 6});
  const auto check_line = [&](const json& line, const GaussianMixture& f, const GaussianMixture& to,
                              double unit, int rounds, std::int64_t samples, std::uint64_t seed) {
    const MixtureKl kl = mixture_kl(f, to);
    const MonteCarloKl referee = monte_carlo_kl(f, to, samples, seed);
    CHECK(line == json{{"variational", kl.variational * unit},
                       {"product", kl.product * unit},
                       {"lower", kl.lower * unit},
                       {"upper", kl.upper * unit},
                       {"variational_upper", variational_upper_kl(f, to, rounds) * unit},
                       {"monte_carlo", referee.value * unit},
                       {"standard_error", referee.standard_error * unit},
                       {"samples", samples},
                       {"unit", unit == 1 ? "nats" : "bits"},
                       {"f_components", f.size()},
                       {"g_components", to.size()},
                       {"d", 3}});
  };
  check_line(out, GaussianMixture::kernel_density(read(z), 0.7), g, kBitsPerNat, 1, 50, 4);
  // f from files, g with one variance for all and equal weights.
  const json files =
      run({"coding", "kl", "--f-means", means, "--f-variances", variances, "--f-weights", weights},
          {{"--g-means", z}, {"--g-variance", "0.6"}, {"--samples", "40"}});
  const auto equal = [](std::size_t count, double value) {
    return std::vector<double>(count, value);
  };
  check_line(files, g, GaussianMixture(equal(5, 0.2), read(z).to_vector<double>(), equal(15, 0.6)),
             1, 10, 40, 0);
  const json one = run({"coding", "kl", "--f-means", means, "--f-variance", "0.3"},
                       {{"--g-means", z}, {"--g-variance", "0.6"}, {"--samples", "40"}});
  check_line(one, GaussianMixture(equal(2, 0.5), read(means).to_vector<double>(), equal(6, 0.3)),
             GaussianMixture(equal(5, 0.2), read(z).to_vector<double>(), equal(15, 0.6)), 1, 10, 40,
             0);
}

TEST_CASE_FIXTURE(Fixture, "mec coding packing prints the library's numbers for its options") {
  const std::string z = write_random("z.npy", {12, 3}, 1);
  const json out = check_each({"coding", "packing"}, {"--z", z},
                              {{"--eps2", "0.3,1.5"}, {"--bits"}}, {"--figure", "--raw"});
  json expected = json::array();
  for (const Packing& at : sphere_packing(read(z), {0.3, 1.5})) {
    expected.push_back({{"eps2", at.eps2},
                        {"net", at.net},
                        {"rate", at.log_packing * kBitsPerNat},
                        {"packing_number", std::exp(at.log_packing)}});
  }
  CHECK(out == json{{"packing", expected}, {"unit", "bits"}, {"m", 12}, {"d", 3}});
}

TEST_CASE_FIXTURE(Fixture, "mec coding simplicity prints the library's numbers for its options") {
#if MEC_HAVE_ZLIB
  const std::string z = write_random("z.npy", {12, 3}, 1);
  SafetensorsFile file;
  const Tensor weights = random({700}, Dtype::f32, cpu, {.seed = 5});
  file.tensors.push_back({"conv.weight", weights});
  write_safetensors(at("w.safetensors"), file);
  const json out = check_each({"coding", "simplicity"}, {"--z", z},
                              {{"--weights", at("w.safetensors")}, {"--eps2", "3"}, {"--bits"}});
  const auto line = [](const Deflated& d) {
    return json{
        {"values", d.values},
        {"deflated_bytes", d.deflated},
        {"bits_per_value", 8.0 * static_cast<double>(d.deflated) / static_cast<double>(d.values)},
        {"histogram_bits_per_value", d.entropy}};
  };
  const Tensor Z = read(z);
  CHECK(out == json{{"features", line(deflated_size({Z}))},
                    {"weights", line(deflated_size({weights}))},
                    {"coding_length",
                     item(coding_length(Z, coding_lambda(Z, 3), {}, false).length) * kBitsPerNat},
                    {"unit", "bits"},
                    {"eps2", 3.0},
                    {"m", 12},
                    {"d", 3}});
#endif
}
