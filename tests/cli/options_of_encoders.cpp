// What `mec embed` and `mec eval` do for each of their options: the same as the library with the
// same choices made by hand, to the bit.
#include <cmath>
#include <cstdio>
#include <sstream>

#include <nlohmann/json.hpp>

#include "data/fixtures.h"
#include "mec/data/augment/transform.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/eval/report.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/initialize.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/ops.h"
#include "support/cpu_kernels.h"
#include "support/option_rows.h"

using namespace mec;
using namespace mec::test;

namespace {

// The choices that options make.
struct Choices {
  std::string weights = "run/encoder.safetensors", data = "data", kind = "mnist";
  ResNetConfig encoder{.arch = "resnet10", .width = 8, .in_channels = 1, .stem = Stem::cifar};
  std::int64_t size = 8, limit = 0, batch = 256;
  Normalization normalization{.mean = {0.3F}, .std = {0.4F}};
  Split split = Split::test;
  bool exif_orientation = false;
  Dtype dtype = Dtype::f32;
  Device device = make_cpu_device({.threads = 1});
  KnnOptions knn{.k = 20, .temperature = 0.07, .distance = Distance::cosine, .center = false};
  LinearProbeOptions linear{.c = 1.0, .max_iterations = 1000};
  bool with_knn = true, with_linear = true, baselines = true;
};

// Random gray images, with labels that have nothing to do with them: every choice then changes a
// score.
void write_noise(const std::filesystem::path& folder, std::uint64_t seed) {
  for (const auto& [prefix, count] : {std::pair("train", 90), std::pair("t10k", 150)}) {
    std::string pixels, labels;
    for (int i = 0; i < count; ++i) {
      const Image image =
          random_image({8, 8}, 1, seed + static_cast<std::uint64_t>(count * 1000 + i));
      pixels.append(image.pixels.begin(), image.pixels.end());
      labels += static_cast<char>(i % 3);
    }
    const auto n = static_cast<std::uint32_t>(count);
    write_bytes(folder / concat(prefix, "-images-idx3-ubyte"), make_idx({n, 8, 8}, pixels));
    write_bytes(folder / concat(prefix, "-labels-idx1-ubyte"), make_idx({n}, labels));
  }
}

void write_color(const std::filesystem::path& folder) {
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"}) {
    std::string records;
    for (int i = 0; i < 20; ++i) {
      const Image image = random_image({32, 32}, 3, static_cast<std::uint64_t>(i + 100 * name[11]));
      records += static_cast<char>(i % 3);
      records.append(image.pixels.begin(), image.pixels.end());
    }
    write_bytes(folder / name, records);
  }
}

// A run's folder with an encoder of random weights, and the same weights without metadata.
struct Fixture {
  TempFolder folder;

  Fixture() {
    write_noise(folder / "data", 0);
    write_noise(folder / "other", 7);
    write_color(folder / "data");  // --kind says which
    write_noted_images(folder / "noted", 90, 150);
    PretrainSettings settings;
    settings.data.path = at("data");
    settings.data.kind = "mnist";
    settings.train.seed = 9;
    write_bytes(folder / "run/settings.toml", write_settings(settings));

    const Choices base;
    ResNet encoder(base.encoder, base.device);
    initialize(encoder, 5);
    save_weights(
        folder / "run/encoder.safetensors", encoder,
        to_metadata({.encoder = base.encoder, .image_size = 8, .mean = {0.3F}, .std = {0.4F}}));
    ResNet bare({.arch = "resnet18", .width = 12, .in_channels = 3, .stem = Stem::imagenet},
                base.device);
    initialize(bare, 6);
    save_weights(folder / "bare.safetensors", bare);
  }
  std::string at(const std::string& name) const { return (folder / name).string(); }

  ResNet encoder(const Choices& c, bool random) const {
    ResNet network(c.encoder, c.device);
    if (random) initialize(network, 9, "encoder.");
    else load_weights(folder / c.weights, network);
    return network;
  }
  ImageStream images(const Choices& c, Split split, const Normalization& normalization) const {
    const DatasetPtr dataset = open_dataset({.path = folder / c.data,
                                             .kind = c.kind,
                                             .split = split,
                                             .limit = c.limit,
                                             .channels = static_cast<int>(c.encoder.in_channels),
                                             .exif_orientation = c.exif_orientation});
    const auto view = EvalViewSettings::for_images(dataset->info().size, static_cast<int>(c.size));
    return stream_dataset(dataset, make_eval_transform(view, normalization), c.device,
                          {.batch = c.batch});
  }
  Features features(const Choices& c, Split split, bool random = false) const {
    return embed(encoder(c, random), images(c, split, c.normalization), c.dtype);
  }
  Features pixels(const Choices& c, Split split) const {
    return pixel_features(images(c, split, {.mean = {0.0F}, .std = {1.0F}}));
  }
  // The rows of the table.
  nlohmann::json scores(const Choices& c) const {
    nlohmann::json rows = nlohmann::json::array();
    const auto add = [&](const std::string& name, const Features& train, const Features& test) {
      nlohmann::json row{{"features", name}, {"width", train.x.dim(1)}};
      if (c.with_knn)
        row["knn_accuracy"] = accuracy(knn_classify(train, test.x, c.knn), test.labels);
      if (c.with_linear) {
        const LinearProbe probe = fit_linear_probe(train, c.linear);
        row["linear_accuracy"] = accuracy(classify(probe, test.x), test.labels);
        row["linear_converged"] = probe.converged;
        row["linear_iterations"] = probe.iterations;
      }
      rows.push_back(row);
    };
    if (c.baselines) {
      add("raw pixels", pixels(c, Split::train), pixels(c, Split::test));
      add("random encoder", features(c, Split::train, true), features(c, Split::test, true));
    }
    add("MEC encoder", features(c, Split::train), features(c, Split::test));
    return rows;
  }
  std::string run(const Words& words) const {
    const ProgramResult result = run_program(folder, words);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return result.out;
  }
};

struct Row {
  std::string option;
  Words words;  // of the command line
  std::function<void(Choices&)> choose;
  bool changes = true;
};

// Options of embed and of every eval. Paths are in the fixture's folder.
std::vector<Row> common_rows(const Fixture& fixture) {
  return {
      {"--data", {"--data", fixture.at("other")}, [](Choices& c) { c.data = "other"; }},
      {"--kind", {"--kind", "cifar10"}, [](Choices& c) { c.kind = "cifar10"; }},
      {"--limit", {"--limit", "31"}, [](Choices& c) { c.limit = 31; }},
      {"--workers", {"--workers", "3"}, [](Choices&) {}, false},
      {"--batch", {"--batch", "7"}, [](Choices& c) { c.batch = 7; }, false},
      {"--precision", {"--precision", "bf16"}, [](Choices& c) { c.dtype = Dtype::bf16; }},
      {"--kernels",
       {"--kernels", has_cpu_libraries() ? "libraries" : "own"},
       [](Choices& c) { c.device = make_cpu_device({.threads = 1, .kernels = library_kernels()}); },
       false},
      {"--device",
       {"--device", "reference"},
       [](Choices& c) { c.device = make_reference_device(); }},
      {"--exif-orientation",
       {"--exif-orientation", "--data", fixture.at("noted")},
       [](Choices& c) {
         c.data = "noted";
         c.kind = "folder";
         c.exif_orientation = true;
       }},
      {"--size", {"--size", "11"}, [](Choices& c) { c.size = 11; }},
      {"--normalization",
       {"--normalization", "fashion-mnist"},
       [](Choices& c) { c.normalization = normalization_preset("fashion-mnist"); }},
  };
}

const std::set<std::string> kCommon{
    "source",  "--data",          "--kind",      "--limit",  "--workers",
    "--batch", "--arch",          "--stem",      "--width",  "--channels",
    "--size",  "--normalization", "--precision", "--prefix", "--exif-orientation"};

std::vector<float> file_values(const Fixture& fixture, const std::string& name) {
  return read_npy(fixture.at(name), make_reference_device()).to_vector<float>();
}

}  // namespace

TEST_CASE_FIXTURE(
    Fixture, "mec embed writes the features that the library makes with each option's choice") {
  check_rows({"embed"}, and_also(kCommon, {"--split", "--images", "--out"}));
  const auto embed_with = [&](const Words& more) {
    run(joined({"embed", at("run"), "--threads", "1", "--out", at("x.npy")}, more));
    return file_values(*this, "x.npy");
  };
  const auto base = features({}, Split::test).x.to_vector<float>();
  CHECK(embed_with({}) == base);
  std::vector<Row> rows = common_rows(*this);
  rows.push_back({"--split", {"--split", "train"}, [](Choices& c) { c.split = Split::train; }});
  for (const Row& row : rows) {
    CAPTURE(row.option);
    Choices choices;
    row.choose(choices);
    const auto expected = features(choices, choices.split).x.to_vector<float>();
    CHECK(embed_with(row.words) == expected);
    if (row.changes) CHECK(expected != base);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "mec embed takes all that weights without metadata leave open from its options") {
  Choices c;
  c.weights = "bare.safetensors";
  c.encoder = {.arch = "resnet18", .width = 12, .in_channels = 3, .stem = Stem::imagenet};
  c.kind = "cifar10";
  c.size = 19;
  c.normalization = normalization_preset("cifar100");
  run({"embed",           at("bare.safetensors"),
       "--arch",          "resnet18",
       "--width",         "12",
       "--channels",      "3",
       "--stem",          "imagenet",
       "--size",          "19",
       "--normalization", "cifar100",
       "--data",          at("data"),
       "--kind",          "cifar10",
       "--out",           at("x.npy"),
       "--threads",       "1"});
  const auto values = file_values(*this, "x.npy");
  CHECK(values == features(c, Split::test).x.to_vector<float>());
  c.normalization = normalization_preset("imagenet");
  CHECK(values != features(c, Split::test).x.to_vector<float>());
}

TEST_CASE_FIXTURE(Fixture, "mec embed and mec eval take the weights under --prefix") {
  Choices c;
  ResNet teacher(c.encoder, c.device);
  initialize(teacher, 8);
  c.weights = "teacher.safetensors";
  save_weights(folder / c.weights, teacher);
  const auto run_file = folder / "run/encoder.safetensors";
  SafetensorsFile both = read_safetensors(run_file, c.device);
  for (NamedTensor& t : both.tensors) t.name = "student." + t.name;
  for (const NamedTensor& t : read_safetensors(folder / c.weights, c.device).tensors)
    both.tensors.push_back({"teacher." + t.name, t.tensor});
  write_safetensors(run_file, both);

  const Words prefix{"--prefix", "teacher.", "--threads", "1"};
  run(joined({"embed", at("run"), "--out", at("x.npy")}, prefix));
  CHECK(file_values(*this, "x.npy") == features(c, Split::test).x.to_vector<float>());
  for (const std::string mode : {"knn", "linear", "table"}) {
    c.with_knn = mode != "linear";
    c.with_linear = mode != "knn";
    const auto out = nlohmann::json::parse(run(joined({"eval", mode, at("run"), "--json"}, prefix)));
    CHECK(out.at("rows") == scores(c));
  }
}

TEST_CASE_FIXTURE(Fixture, "mec embed takes images from an array, normalised or raw") {
  const Choices c;
  const Image image = random_image({8, 8}, 1, 77);
  std::vector<float> normalized;
  for (const std::uint8_t pixel : image.pixels)
    normalized.push_back((static_cast<float>(pixel) / 255.0F - 0.3F) / 0.4F);
  const Tensor raw = Tensor::from(image.pixels, {1, 8, 8, 1}, c.device);
  const Tensor ready = Tensor::from(normalized, {1, 8, 8, 1}, c.device);
  const NoGrad no_grad;
  const auto expected =
      encoder(c, false).forward(Variable(ready), kEvaluation).data().to_vector<float>();
  for (const Tensor& images : {raw, ready}) {
    write_npy(at("images.npy"), images);
    run({"embed", at("run"), "--images", at("images.npy"), "--out", at("x.npy"), "--threads", "1"});
    const auto values = file_values(*this, "x.npy");
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      CHECK(values[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  }
}

TEST_CASE_FIXTURE(Fixture, "mec eval scores what the library scores with each option's choice") {
  const std::vector<Row> knn{
      {"--k", {"--k", "3"}, [](Choices& c) { c.knn.k = 3; }},
      {"--temperature",
       {"--temperature", "0.9"},
       [](Choices& c) { c.knn.temperature = 0.9; },
       false},
      {"--distance",
       {"--distance", "euclidean"},
       [](Choices& c) { c.knn.distance = Distance::euclidean; }},
      {"--center", {"--center"}, [](Choices& c) { c.knn.center = true; }},
  };
  const std::vector<Row> linear{
      {"--C", {"--C", "0.001"}, [](Choices& c) { c.linear.c = 0.001; }},
      {"--iterations", {"--iterations", "3"}, [](Choices& c) { c.linear.max_iterations = 3; }},
  };
  for (const std::string mode : {"knn", "linear", "table"}) {
    CAPTURE(mode);
    std::vector<Row> rows = common_rows(*this);
    rows.push_back({"--no-baselines", {"--no-baselines"}, [](Choices& c) { c.baselines = false; }});
    std::set<std::string> tested = and_also(kCommon, {"--no-baselines", "--json"});
    for (const auto& [has, own] :
         {std::pair(mode != "linear", knn), std::pair(mode != "knn", linear)}) {
      if (!has) continue;
      rows.insert(rows.end(), own.begin(), own.end());
      for (const Row& row : own) tested.insert(row.option);
    }
    // Those of --protocol are tested in options_of_transfer.cpp.
    if (mode == "linear") {
      tested = and_also(tested, {"--protocol", "--fraction", "--list", "--validation", "--epochs", "--train-batch", "--seeds",
                                 "--set", "--resume", "--out"});
    }
    check_rows({"eval", mode}, tested);
    Choices base;
    base.with_knn = mode != "linear";
    base.with_linear = mode != "knn";
    const nlohmann::json base_scores = scores(base);
    for (const Row& row : rows) {
      CAPTURE(row.option);
      Choices choices = base;
      row.choose(choices);
      const auto out = nlohmann::json::parse(
          run(joined({"eval", mode, at("run"), "--json", "--threads", "1"}, row.words)));
      const nlohmann::json expected = scores(choices);
      CHECK(out.at("rows") == expected);
      if (row.changes && row.option != "--kernels" && row.option != "--device")
        CHECK(expected != base_scores);
      CHECK(out.at("train_images") == (choices.kind == "cifar10" ? 100
                                       : choices.limit > 0       ? choices.limit
                                                                 : 90));
      CHECK(out.at("test_images") == (choices.kind == "cifar10" ? 20
                                      : choices.limit > 0       ? choices.limit
                                                                : 150));
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "mec eval's table and its JSON say the choices and the same scores") {
  Choices c;
  c.knn = {.k = 3, .temperature = 0.9, .distance = Distance::cosine, .center = true};
  c.linear.c = 0.5;
  const Words words{"eval", "table",    at("run"), "--k", "3",         "--temperature",
                    "0.9",  "--center", "--C",     "0.5", "--threads", "1"};
  std::ostringstream expected;
  expected << "mnist: 90 training images, 150 test images\n"
           << "kNN:    k = 3, T = 0.9, cosine, centred\n"
           << "linear: logistic regression, C = 0.5, standardised features\n\n"
           << "features          width       kNN    linear\n";
  for (const auto& row : scores(c)) {
    char line[128];
    std::snprintf(line, sizeof line, "%-16s%7d%8.2f %%%8.2f %%\n",
                  row.at("features").get<std::string>().c_str(), row.at("width").get<int>(),
                  100 * row.at("knn_accuracy").get<double>(),
                  100 * row.at("linear_accuracy").get<double>());
    expected << line;
  }
  CHECK(run(words) == expected.str());

  Words json = words;
  json.emplace_back("--json");
  const auto out = nlohmann::json::parse(run(json));
  CHECK(out.at("data") == "mnist");
  CHECK(out.at("knn") ==
        nlohmann::json{{"k", 3}, {"temperature", 0.9}, {"distance", "cosine"}, {"center", true}});
  CHECK(out.at("linear") ==
        nlohmann::json{{"c", 0.5}, {"tolerance", 1e-4}, {"standardized", true}});
}
