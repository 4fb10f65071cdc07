// What `mec study` and `mec tsne` write for their options: every number of their tables and scripts
// is that of its source, which is a run's own files, `mec eval`, or the library.
#include <algorithm>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "mec/data/augment/transform.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/eval/noise.h"
#include "mec/eval/plot.h"
#include "mec/eval/tsne.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/tensor/devices.h"
#include "support/option_rows.h"

using namespace mec;
using namespace mec::test;
using nlohmann::json;

namespace {

const std::set<std::string> kStudyOptions{
    "config", "--set", "--seeds", "--k", "--out", "--data", "--kind", "--limit", "--workers", "--batch", "--exif-orientation"};
const std::set<std::string> kNoiseOptions{"runs",    "--on",   "--sigma",     "--feature-sigma",   "--seeds",
                                          "--k",     "--data", "--kind",      "--limit",           "--workers",
                                          "--batch", "--out",  "--precision", "--exif-orientation"};
const std::set<std::string> kTsneOptions{
    "runs",         "--data",       "--kind", "--workers",   "--batch",           "--n", "--split", "--raw",
    "--perplexity", "--iterations", "--out",  "--precision", "--exif-orientation"};

struct Fixture : RunFixture {
  Device device = make_cpu_device({.threads = 1});

  Fixture() { write_noted_images(folder / "other", 60, 45); }

  std::vector<Words> table(const std::string& path) const {
    std::vector<Words> rows;
    std::istringstream text(read_bytes(folder / path));
    for (std::string line; std::getline(text, line);) {
      rows.emplace_back();
      std::istringstream fields(line + ",");
      for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
    }
    return rows;
  }
  std::vector<json> lines(const std::string& path) const {
    std::vector<json> all;
    std::ifstream file(folder / path);
    for (std::string line; std::getline(file, line);) all.push_back(json::parse(line));
    return all;
  }
  // Rows of a study's table: what its runs' files and `mec eval` say, with the options of both
  // calls.
  void check_row(const Words& names, const Words& row, const std::string& run) const {
    CAPTURE(run);
    const auto field = [&](const std::string& name) {
      return row.at(static_cast<std::size_t>(std::ranges::find(names, name) - names.begin()));
    };
    const Words call = joined({"eval", "table", at("study/runs/" + run), "--no-baselines", "--json"}, of_accuracy());
    const json scores = json::parse(this->run(call).out).at("rows").at(0);
    CHECK(field("knn") == concat(scores.at("knn_accuracy").get<double>()));
    CHECK(field("linear") == concat(scores.at("linear_accuracy").get<double>()));
    const auto metrics = lines("study/runs/" + run + "/metrics.jsonl"), times = lines("study/runs/" + run + "/timings.jsonl");
    double seconds = 0;
    for (const json& line : times) seconds += line.at("seconds").get<double>();
    CHECK(std::stod(field("seconds")) == doctest::Approx(seconds).epsilon(1e-4));
    for (const auto& [name, last] : metrics.back().items()) {
      if (std::ranges::find(names, name) == names.end()) continue;
      double sum = 0, count = 0;
      for (const json& line : metrics) {
        if (line.at("epoch") != metrics.back().at("epoch")) continue;
        sum += line.at(name).get<double>();
        ++count;
      }
      CHECK(std::stod(field(name)) == doctest::Approx(sum / count).epsilon(1e-5));
    }
    CHECK(field("failure").empty());
    CHECK(read_bytes(folder / "study/runs" / run / "settings.toml").find("lr = 0.03\n") != std::string::npos);
  }
  // What a study and `mec eval` both take.
  Words of_accuracy() const {
    return {"--data", at("other"), "--kind", "folder", "--exif-orientation", "--limit", "40", "--k", "3", "--threads", "1"};
  }
  Words study(const std::string& name, const Words& more) const {
    const Words own{"study", name,        config,      "--set", "train.lr=0.03", "--seeds", "2",
                    "--out", at("study"), "--workers", "2",     "--batch",       "9"};
    return joined(joined(own, of_accuracy()), more);
  }
  // "x mean low high" of the values, in percent, as the script has it.
  static std::string point(double x, std::vector<std::string> fields) {
    std::vector<double> values;
    for (const std::string& field : fields) values.push_back(100 * std::stod(field));
    const double mean = (values[0] + values[1]) / 2;
    std::ostringstream line;
    line << x << ' ' << mean << ' ' << std::min(values[0], values[1]) << ' ' << std::max(values[0], values[1]) << '\n';
    return line.str();
  }
  void check_contains(const std::string& script, const std::string& part) const {
    CHECK_MESSAGE(script.find(part) != std::string::npos, part, " is not in ", script);
  }
  ImageStream images(Split split, bool raw, std::int64_t limit) const {
    const DatasetPtr dataset = open_dataset(
        {.path = folder / "other", .kind = "folder", .split = split, .limit = limit, .channels = 1, .exif_orientation = true});
    const WeightsInfo info = read_weights_info(folder / "a/encoder.safetensors");
    Normalization normalization{.mean = {0.0F}, .std = {1.0F}};
    if (!raw) normalization = {{info.mean.begin(), info.mean.end()}, {info.std.begin(), info.std.end()}};
    const auto view = EvalViewSettings::for_images(dataset->info().size, 8);
    return stream_dataset(dataset, make_eval_transform(view, normalization), device, {.batch = 9});
  }
  ResNet encoder() const {
    ResNet network(read_weights_info(folder / "a/encoder.safetensors").encoder, device);
    load_weights(folder / "a/encoder.safetensors", network);
    return network;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec study epsilon's table and pictures have the numbers of its runs") {
  check_rows({"study", "epsilon"}, and_also(kStudyOptions, {"--eps2", "--policies"}));
  run(study("epsilon", {"--eps2", "20,50", "--policies", "symmetrize"}));
  const auto rows = table("study/epsilon.csv");
  CHECK(rows[0] == Words{"policy", "eps2", "seed", "knn", "linear", "seconds", "tensor_mib", "loss", "coding_length",
                         "spectral_norm", "eps2_effective", "failure"});
  REQUIRE(rows.size() == 5);
  const std::string script = read_bytes(folder / "study/epsilon.gp");
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string eps2 = i < 2 ? "20" : "50", seed = i % 2 == 0 ? "0" : "1", run = "symmetrize-eps2-" + eps2 + "-" + seed;
    CHECK(Words(rows[i + 1].begin(), rows[i + 1].begin() + 3) == Words{"symmetrize", eps2, seed});
    Words padded = rows[i + 1];
    padded.resize(rows[0].size());
    check_row(rows[0], padded, run);
    const std::string settings = read_bytes(folder / "study/runs" / run / "settings.toml");
    check_contains(settings, "eps2 = " + eps2 + ".0\n");
    check_contains(settings, "symmetrize = true\n");
    check_contains(settings, "seed = " + seed + "\n");
    if (i % 2 == 1) continue;
    check_contains(script, point(std::stod(eps2), {rows[i + 1][4], rows[i + 2][4]}));  // linear probe
    check_contains(script, point(std::stod(eps2), {rows[i + 1][3], rows[i + 2][3]}));  // kNN
  }
}

TEST_CASE_FIXTURE(Fixture, "mec study methods' table has the numbers of its runs") {
  check_rows({"study", "methods"}, and_also(kStudyOptions, {"--methods", "--set-for"}));
  run(study("methods",
            {"--methods", "simsiam", "--set-for", "simsiam:train.momentum=0.7", "--set-for", "byol:train.momentum=0.2"}));
  const auto rows = table("study/methods.csv");
  CHECK(rows[0] == Words{"method", "seed", "knn", "linear", "seconds", "tensor_mib", "loss", "embedding_std", "failure"});
  REQUIRE(rows.size() == 3);
  for (std::size_t i = 0; i < 2; ++i) {
    Words padded = rows[i + 1];
    padded.resize(rows[0].size());
    const std::string run = concat("simsiam-", i);
    CHECK(Words(padded.begin(), padded.begin() + 2) == Words{"simsiam", concat(i)});
    check_row(rows[0], padded, run);
    check_contains(read_bytes(folder / "study/runs" / run / "settings.toml"), "momentum = 0.7\n");
  }
  // Panels by turns against time and memory, the linear probe first.
  const std::string script = read_bytes(folder / "study/methods.gp");
  const auto mean = [&](std::size_t column) { return (std::stod(rows[1][column]) + std::stod(rows[2][column])) / 2; };
  for (std::size_t panel = 0; panel < 4; ++panel) {
    const std::string block = concat("$panel", panel, "_series0 << END\n");
    const std::size_t at = script.find(block);
    REQUIRE(at != std::string::npos);
    std::istringstream numbers(script.substr(at + block.size()));
    double x = 0, y = 0;
    numbers >> x >> y;
    CHECK(x == doctest::Approx(mean(panel % 2 == 0 ? 4 : 5)).epsilon(1e-4));
    CHECK(y == doctest::Approx(100 * mean(panel < 2 ? 3 : 2)).epsilon(1e-4));
  }
}

TEST_CASE_FIXTURE(Fixture, "mec study order's table has the numbers of its runs") {
  check_rows({"study", "order"}, and_also(kStudyOptions, {"--orders"}));
  run(study("order", {"--orders", "2,exact"}));
  const auto rows = table("study/order.csv");
  REQUIRE(rows.size() == 5);
  for (std::size_t i = 0; i < 4; ++i) {
    Words padded = rows[i + 1];
    padded.resize(rows[0].size());
    const std::string order = i < 2 ? "2" : "exact", run = concat("order-", order, "-", i % 2);
    CHECK(padded[0] == order);
    check_row(rows[0], padded, run);
    const std::string settings = read_bytes(folder / "study/runs" / run / "settings.toml");
    check_contains(settings, i < 2 ? "order = 2\n" : "exact = true\n");
  }
}

TEST_CASE_FIXTURE(Fixture, "mec study noise's table and script have the library's scores") {
  run({"pretrain", config, "--threads", "1", "--out", at("a")});
  check_rows({"study", "noise"}, kNoiseOptions);
  const Words call{
      "study",   "noise", at("a"),     "--on", "inputs,features", "--sigma", "0.4",   "--feature-sigma", "1.5",
      "--seeds", "2",     "--workers", "2",    "--batch",         "9",       "--out", at("noise"),       "--precision",
      "bf16"};
  Words as_stored = joined(call, of_accuracy());
  std::erase(as_stored, "--exif-orientation");
  run(as_stored);  // none of these rows may be kept for upright images
  run(joined(call, of_accuracy()));
  const ResNet network = encoder();
  const auto features = [&](const ImageStream& stream) { return embed(network, stream, Dtype::bf16); };
  const CleanClassifiers classifiers(features(images(Split::train, false, 40)), {.k = 3});
  const WeightsInfo info = read_weights_info(folder / "a/encoder.safetensors");
  const Normalization normalization{{info.mean.begin(), info.mean.end()}, {info.std.begin(), info.std.end()}};
  const auto rows = table("noise/noise.csv");
  REQUIRE(rows.size() == 5);
  CHECK(rows[0] == Words{"run", "on", "sigma", "seed", "knn", "linear"});
  for (std::size_t i = 0; i < 4; ++i) {
    const std::uint64_t seed = i % 2;
    const NoiseScore score =
        i < 2 ? classifiers.score(features(add_image_noise(images(Split::test, false, 40), normalization, 0.4, seed)))
              : classifiers.score_with_noise(features(images(Split::test, false, 40)), 1.5, seed);
    CHECK(rows[i + 1] == Words{"a", i < 2 ? "inputs" : "features", i < 2 ? "0.4" : "1.5", concat(seed), concat(score.knn),
                               concat(score.linear)});
  }
  const std::string script = read_bytes(folder / "noise/noise.gp");
  check_contains(script, point(0.4, {rows[1][4], rows[2][4]}));
  check_contains(script, point(1.5, {rows[3][5], rows[4][5]}));
}

TEST_CASE_FIXTURE(Fixture, "mec tsne's table and script have the library's points") {
  run({"pretrain", config, "--threads", "1", "--out", at("a")});
  check_rows({"tsne"}, kTsneOptions);
  run({"tsne",
       at("a"),
       "--data",
       at("other"),
       "--kind",
       "folder",
       "--exif-orientation",
       "--workers",
       "2",
       "--batch",
       "9",
       "--n",
       "30",
       "--split",
       "train",
       "--raw",
       "--perplexity",
       "7",
       "--iterations",
       "270",
       "--out",
       at("x"),
       "--precision",
       "bf16",
       "--threads",
       "1"});
  const TsneOptions options{.perplexity = 7, .iterations = 270};
  const Features raw = pixel_features(images(Split::train, true, 30));
  const Features embedded = embed(encoder(), images(Split::train, false, 30), Dtype::bf16);
  std::vector<Words> expected{{"features", "index", "label", "x", "y"}};
  Scatter scatter;
  for (const auto& [name, features] : {std::pair("raw pixels", raw), std::pair("a", embedded)}) {
    const Tsne fitted = fit_tsne(features.x, options);
    const auto y = fitted.y.to_vector<float>();
    for (std::size_t i = 0; i < 30; ++i) {
      expected.push_back({name, concat(i), concat(features.labels[i]), concat(y[2 * i]), concat(y[2 * i + 1])});
    }
    char title[64];
    std::snprintf(title, sizeof title, "%s   (KL %.3f)", name, fitted.kl);
    scatter.panels.push_back({.title = title, .points = fitted.y, .labels = features.labels});
  }
  for (int label = 0; label < 3; ++label) scatter.classes.push_back(std::to_string(label));
  CHECK(table("x/tsne.csv") == expected);
  CHECK(read_bytes(folder / "x/tsne.gp") == gnuplot_script(scatter, "tsne"));
}
