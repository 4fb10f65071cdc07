#include <doctest/doctest.h>

#include <cmath>

#include <nlohmann/json.hpp>

#include "mec/nn/files/weights_info.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/ops.h"
#include "support/compare.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  void fails(int status, const std::string& why, const std::vector<std::string>& arguments) const {
    check_fails(folder, status, why, arguments);
  }
  // One thread: tests share the machine.
  void pretrain(const std::string& out, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"pretrain", config, "--threads", "1", "--out", at(out)});
    run(more);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a run leaves settings, metrics, timings and weights") {
  const ProgramResult result =
      run({"pretrain", config, "--out", at("run"), "--threads", "1", "--set", "train.momentum=0.8", "--seed", "9"});
  CHECK(result.out.find("epoch 2  step 4/4") != std::string::npos);
  CHECK(result.out.find("coding length") != std::string::npos);
  CHECK(result.out.find('\r') == std::string::npos);  // plain lines where there is no terminal
  CHECK(result.err.empty());
  const std::string settings = read_bytes(folder / "run/settings.toml");
  CHECK(settings.find("momentum = 0.8\n") != std::string::npos);
  CHECK(settings.find("seed = 9\n") != std::string::npos);

  const std::string metrics = read_bytes(folder / "run/metrics.jsonl");
  REQUIRE(std::ranges::count(metrics, '\n') == 4);
  const auto last = nlohmann::json::parse(metrics.substr(metrics.rfind('\n', metrics.size() - 2) + 1));
  CHECK(last.at("step") == 4);
  CHECK(last.at("epoch") == 2);
  // Of four steps the fourth, the first two being warm-up; tests/cli/settings_effects.cpp has all.
  CHECK(last.at("lr").get<double>() == doctest::Approx(0.05));
  CHECK(last.at("ema").get<double>() == doctest::Approx(1 - 0.1 * (1 - std::sqrt(0.5)) / 2));
  CHECK(last.at("lambda").get<double>() == doctest::Approx(1.0 / 16));
  CHECK_FALSE(last.contains("seconds"));
  CHECK(std::ranges::count(read_bytes(folder / "run/timings.jsonl"), '\n') == 4);
  const auto metadata = read_safetensors_metadata(folder / "run/encoder.safetensors");
  CHECK(metadata.at("arch") == "resnet10");
  CHECK(metadata.at("image_size") == "8");
  CHECK(metadata.at("in_channels") == "1");

  const std::string info = run({"info", at("run")}).out;
  CHECK(info.find("arch: resnet10") != std::string::npos);
  CHECK(info.find("\"step\":4") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "the same command gives the same bytes, for any number of loader threads, and another seed others") {
  pretrain("a", {"--set", "data.workers=0"});
  pretrain("b", {"--set", "data.workers=3"});
  pretrain("c", {"--set", "data.workers=3", "--seed", "1"});
  for (const char* file : {"metrics.jsonl", "encoder.safetensors"}) {
    CHECK(read_bytes(folder / "a" / file) == read_bytes(folder / "b" / file));
    CHECK(read_bytes(folder / "a" / file) != read_bytes(folder / "c" / file));
  }
}

TEST_CASE_FIXTURE(Fixture, "the settings that a run wrote repeat it") {
  pretrain("a", {"--set", "augment.view2.flip_probability=0", "--set", "train.lr=0.05"});
  run({"pretrain", at("a/settings.toml"), "--out", at("b"), "--threads", "1"});
  CHECK(read_bytes(folder / "a/encoder.safetensors") == read_bytes(folder / "b/encoder.safetensors"));
  CHECK(read_bytes(folder / "a/settings.toml") == read_bytes(folder / "b/settings.toml"));
}

TEST_CASE_FIXTURE(Fixture, "a run normalises as it is told, and its weights say how") {
  pretrain("a");
  pretrain("b", {"--set", "data.mean=[0.25]", "--set", "data.std=[0.5]"});
  const WeightsInfo info = read_weights_info(folder / "b/encoder.safetensors");
  CHECK(info.mean == std::vector<double>{0.25});
  CHECK(info.std == std::vector<double>{0.5});
  CHECK(read_bytes(folder / "a/metrics.jsonl") != read_bytes(folder / "b/metrics.jsonl"));
}

TEST_CASE_FIXTURE(Fixture, "an encoder is used at the size that it was trained on, or another that was set") {
  pretrain("small", {"--set", "augment.size=6"});
  pretrain("both", {"--set", "augment.size=6", "--set", "data.eval_size=8"});
  CHECK(read_weights_info(folder / "small/encoder.safetensors").image_size == 6);
  CHECK(read_weights_info(folder / "both/encoder.safetensors").image_size == 8);
  CHECK(read_bytes(folder / "small/metrics.jsonl") == read_bytes(folder / "both/metrics.jsonl"));
}

TEST_CASE_FIXTURE(Fixture, "a run is evaluated beside raw pixels and a random encoder") {
  pretrain("run");
  const auto table = nlohmann::json::parse(run({"eval", "table", at("run"), "--k", "5", "--json"}).out);
  REQUIRE(table.at("rows").size() == 3);
  CHECK(table.at("knn").at("k") == 5);
  CHECK(table.at("knn").at("temperature") == 0.07);
  CHECK(table.at("train_images") == 40);
  CHECK(table.at("test_images") == 20);
  const auto& raw = table.at("rows")[0];
  CHECK(raw.at("features") == "raw pixels");
  CHECK(raw.at("width") == 64);
  CHECK(raw.at("knn_accuracy") == 1.0);  // bars are easy
  CHECK(raw.at("linear_accuracy") == 1.0);
  CHECK(table.at("rows")[1].at("features") == "random encoder");
  CHECK(table.at("rows")[2].at("features") == "MEC encoder");

  const std::string knn = run({"eval", "knn", at("run"), "--k", "5", "--distance", "euclidean"}).out;
  CHECK(knn.find("k = 5, euclidean") != std::string::npos);
  CHECK(knn.find("raw pixels") != std::string::npos);
  CHECK(knn.find("linear") == std::string::npos);
  const auto linear = nlohmann::json::parse(
      run({"eval", "linear", at("run/encoder.safetensors"), "--data", at("data"), "--no-baselines", "--json"}).out);
  REQUIRE(linear.at("rows").size() == 1);
  CHECK(linear.at("rows")[0].at("linear_accuracy") == table.at("rows")[2].at("linear_accuracy"));
}

TEST_CASE_FIXTURE(Fixture, "a data set and the same images as an array have the same features") {
  pretrain("run");
  run({"embed", at("run"), "--split", "test", "--out", at("a.npy")});
  const std::string images = read_bytes(folder / "data/t10k-images-idx3-ubyte").substr(16);
  const Device device = make_reference_device();
  const std::vector<std::uint8_t> pixels(images.begin(), images.end());
  write_npy(folder / "images.npy", Tensor::from(pixels, {20, 8, 8, 1}, device));
  run({"embed", at("run/encoder.safetensors"), "--images", at("images.npy"), "--out", at("b.npy")});
  CHECK(read_bytes(folder / "a.npy") == read_bytes(folder / "b.npy"));
  run({"embed", at("run/encoder.safetensors"), "--images", at("images.npy"), "--out", at("b.npy"), "--batch", "7"});
  const Tensor a = read_npy(folder / "a.npy", device), b = read_npy(folder / "b.npy", device);
  CHECK(a.shape() == Shape{20, 32});
  // Batches of other sizes are summed in another order.
  const auto same_as_a = [&](const Tensor& features) {
    const Comparison same = compare(features, a, {.of_rms = 1e-5});
    CHECK_MESSAGE(same.ok, same.message);
  };
  same_as_a(b);

  // The same once more without metadata, the flags in its place, and the pixels normalised by hand.
  SafetensorsFile weights = read_safetensors(folder / "run/encoder.safetensors", device);
  weights.metadata.clear();
  write_safetensors(folder / "plain.safetensors", weights);
  std::vector<float> normalized;
  for (const std::uint8_t pixel : pixels) normalized.push_back((static_cast<float>(pixel) / 255.0F - 0.1307F) / 0.3081F);
  write_npy(folder / "floats.npy", Tensor::from(normalized, {20, 8, 8, 1}, device));
  run({"embed", at("plain.safetensors"), "--arch", "resnet10", "--stem", "cifar", "--width", "4", "--channels", "1", "--images",
       at("floats.npy"), "--out", at("c.npy")});
  same_as_a(read_npy(folder / "c.npy", device));
  fails(1, "does not say what network", {"embed", at("plain.safetensors"), "--images", at("floats.npy"), "--out", at("d.npy")});
}

TEST_CASE_FIXTURE(Fixture, "weights and images that do not fit are refused") {
  pretrain("run");
  const Device device = make_reference_device();
  const auto embed = [&](const std::string& images) {
    return std::vector<std::string>{"embed", at("run"), "--images", at(images), "--out", at("out.npy")};
  };
  fails(1, "the weights do not fit the network", {"embed", at("run"), "--arch", "resnet50", "--out", at("out.npy")});
  write_npy(folder / "rgb.npy", Tensor::zeros({2, 8, 8, 3}, Dtype::u8, device));
  fails(1, "rgb.npy: the encoder takes images (N,H,W,1)", embed("rgb.npy"));
  write_npy(folder / "nan.npy", Tensor::full({1, 8, 8, 1}, std::numeric_limits<double>::quiet_NaN(), Dtype::f32, device));
  fails(1, "nan.npy: all values must be finite, but the one at [0,0,0,0]", embed("nan.npy"));
  fails(1, "nowhere", {"eval", "knn", at("run"), "--k", "5", "--data", at("nowhere"), "--no-baselines"});
  fails(1, "k lies between 1 and the 40 training rows", {"eval", "knn", at("run"), "--k", "50"});
  fails(2, "--data is needed", {"eval", "knn", at("run/encoder.safetensors")});
  fails(2, "exclude each other", {"embed", at("run"), "--data", at("data"), "--images", at("rgb.npy"), "--out", at("out.npy")});
  write_bytes(folder / "broken.safetensors", read_bytes(folder / "run/encoder.safetensors").substr(0, 5000));
  fails(1, "broken.safetensors", {"embed", at("broken.safetensors"), "--images", at("rgb.npy"), "--out", at("out.npy")});
}
