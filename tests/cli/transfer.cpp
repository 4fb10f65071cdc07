// Training on labels: mec finetune, mec predict, and mec eval linear --protocol.
#include <doctest/doctest.h>

#include <fstream>

#include <nlohmann/json.hpp>

#include "mec/nn/files/weights_info.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;
using Json = nlohmann::json;

namespace {

using Words = std::vector<std::string>;

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A pre-trained run in `run`, and what makes the commands quick.
struct Fixture : RunFixture {
  Fixture() { run({"pretrain", config, "--out", at("run")}); }

  Words finetune(const std::string& out, const Words& more = {}) const {
    return Words{"finetune", at("run"), "--out", at(out), "--epochs", "3", "--train-batch", "8"} + more;
  }
  Json json(const std::string& out) const { return Json::parse(std::ifstream(folder / out / "results.json")); }
  std::vector<std::string> lines(const std::string& file) const {
    std::ifstream in(folder / file);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
};

Words names_in(const Json& rows) {
  Words names;
  for (const Json& row : rows) names.push_back(row.at("name"));
  return names;
}

Tensor tensor_of(const std::filesystem::path& file, const std::string& name) {
  for (const NamedTensor& t : read_safetensors(file, make_reference_device()).tensors) {
    if (t.name == name) return t.tensor;
  }
  throw ValueError("no tensor " + name);
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec finetune prints, writes and compares, and mec predict serves what it made") {
  const ProgramResult said = run(finetune("ft", {"--fraction", "0.5", "--seeds", "2"}));
  for (const char* text :
       {"20 images of mnist, 50 % of each class", "scored on 20 test images, with the network of the last epoch", "finetuned  ",
        "from scratch  ", "linear probe, converged", "the same of a random encoder",
        "best epoch: chosen by the images that it is scored on", "class (first seed)", "confusion.csv"}) {
    CHECK_MESSAGE(said.out.find(text) != std::string::npos, text, said.out);
  }
  const Json results = json("ft");
  CHECK(names_in(results.at("rows")) ==
        Words{"finetuned", "from scratch", "linear probe, converged", "the same of a random encoder"});
  for (const Json& row : results.at("rows")) {
    REQUIRE(row.at("top1").size() == 2);
    CHECK(row.contains("top5") == (row.at("name") == "finetuned" || row.at("name") == "from scratch"));
    for (const double share : row.at("top1")) CHECK((share >= 0 && share <= 1));
  }
  CHECK(results.at("best_on_test_images").at("name") == "finetuned, best epoch");
  std::int64_t images = 0;
  for (const Json& one : results.at("classes")) {
    for (const std::int64_t count : one.at("taken_for")) images += count;
  }
  CHECK(images == 20);
  CHECK(lines("ft/confusion.csv").size() == 11);  // MNIST has ten classes, these images are of four
  CHECK(std::filesystem::exists(folder / "ft/seed-1/encoder.safetensors"));
  CHECK(std::filesystem::exists(folder / "ft/scratch-seed-1/encoder.safetensors"));

  // A file like an encoder's, with torchvision's fc, and the classes' names.
  const WeightsInfo info = read_weights_info(folder / "ft/encoder.safetensors");
  CHECK(info.classes == Words{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  CHECK(tensor_of(folder / "ft/encoder.safetensors", "fc.weight").shape() == Shape{10, 32});
  run({"embed", at("ft"), "--out", at("features.npy")});

  run({"predict", at("ft"), "--out", at("p.csv")});
  const std::vector<std::string> table = lines("p.csv");
  REQUIRE(table.size() == 21);
  CHECK(table[0] == "image,class,probability,0,1,2,3,4,5,6,7,8,9");
  run({"predict", at("ft"), "--out", at("p.npy")});
  const Tensor probabilities = read_npy(folder / "p.npy", make_reference_device());
  REQUIRE(probabilities.shape() == Shape{20, 10});
  run({"predict", at("ft"), "--out", at("p.json"), "--limit", "5"});
  const Json objects = Json::parse(std::ifstream(folder / "p.json"));
  REQUIRE(objects.size() == 5);
  // The first row of both files; and what the table says is what the score counted.
  CHECK(objects[0].at("probabilities").at("2").get<float>() == probabilities.to_vector<float>()[2]);
  std::int64_t right = 0;
  for (std::size_t i = 1; i < table.size(); ++i) {
    const std::string start = concat("image ", i - 1, ",", (i - 1) % 4, ",");
    right += table[i].starts_with(start) ? 1 : 0;
  }
  CHECK(static_cast<double>(right) / 20 == results.at("rows")[0].at("top1")[0].get<double>());
}

TEST_CASE_FIXTURE(Fixture, "held-out images choose the epoch, and are not trained on") {
  const ProgramResult said = run(finetune("ft", {"--validation", "0.2", "--no-baselines"}));
  CHECK(said.out.find("32 images of mnist; 8 more are held out") != std::string::npos);
  CHECK(said.out.find("with the network of the best epoch on held-out training images") != std::string::npos);
  CHECK(said.out.find("top-1 and top-5 of 8 held-out training images") != std::string::npos);
  CHECK_FALSE(json("ft").contains("best_on_test_images"));
  CHECK(said.out.find("the network: " + at("ft/encoder-best.safetensors")) != std::string::npos);
  run({"predict", at("ft"), "--out", at("p.npy")});
  run({"predict", at("ft/encoder-best.safetensors"), "--images", at("data"), "--out", at("q.npy")});
  CHECK(read_bytes(folder / "p.npy") == read_bytes(folder / "q.npy"));
  CHECK(names_in(json("ft").at("rows")) == Words{"finetuned"});
}

TEST_CASE_FIXTURE(Fixture, "the linear protocol leaves the encoder as it is, to the bit") {
  const ProgramResult said =
      run({"eval", "linear", at("run"), "--protocol", "sgd", "--epochs", "2", "--train-batch", "8", "--no-baselines"});
  CHECK(said.out.find("linear, trained") != std::string::npos);
  for (const char* name : {"conv1.weight", "layer4.0.bn2.running_var", "layer3.0.conv1.weight"}) {
    CHECK(tensor_of(folder / "run/encoder.safetensors", name).to_vector<float>() ==
          tensor_of(folder / "run/linear/encoder.safetensors", name).to_vector<float>());
  }
  CHECK(read_settings(folder / "run/linear/settings.toml").train.lr == doctest::Approx(0.03 * 8 / 256));
}

TEST_CASE_FIXTURE(Fixture, "a fine-tuned run that is stopped goes on to the same bits") {
  const Words once = finetune("once", {"--no-baselines", "--set", "train.checkpoint_steps=1"});
  run(once);
  const Words twice = finetune("twice", {"--no-baselines", "--set", "train.checkpoint_steps=1"});
  stop_early(twice, "twice", 15);
  run(twice + Words{"--resume"});
  for (const char* file : {"metrics.jsonl", "encoder.safetensors", "encoder-best.safetensors", "results.json"}) {
    std::ifstream a(folder / "once" / file, std::ios::binary), b(folder / "twice" / file, std::ios::binary);
    CHECK_MESSAGE(std::string(std::istreambuf_iterator<char>(a), {}) == std::string(std::istreambuf_iterator<char>(b), {}),
                  file);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "a network from scratch needs settings alone; the fewer images, the smaller the batch, which is said") {
  const ProgramResult said = run(
      {"finetune", "--scratch", config, "--out", at("scratch"), "--epochs", "2", "--set", "train.batch=64", "--no-baselines"});
  CHECK(said.err.find("a batch has 32 images instead of 64, since there are 40, and train.lr is 0.05, in proportion") !=
        std::string::npos);
  CHECK(names_in(json("scratch").at("rows")) == Words{"from scratch"});
}

TEST_CASE_FIXTURE(Fixture, "mec predict takes a folder of pictures without splits or classes") {
  for (const char* name : {"a.pgm", "b.pgm"}) write_bytes(folder / "plain" / name, "P5 8 8 255\n" + std::string(64, 'x'));
  run(finetune("ft", {"--no-baselines"}));
  run({"predict", at("ft"), "--images", at("plain"), "--out", at("p.csv")});
  const std::vector<std::string> table = lines("p.csv");
  REQUIRE(table.size() == 3);
  CHECK(table[1].find("plain/a.pgm,") != std::string::npos);
  check_fails(folder, 1, "method supervised learns from labels, but the images of", finetune("no", {"--data", at("plain")}));
  check_fails(folder, 2, "--images is needed", {"predict", at("ft/encoder.safetensors"), "--out", at("p.csv")});
}

TEST_CASE_FIXTURE(Fixture, "a run does not go on with another list of images of the same length") {
  const auto list = [&](const std::string& text) { write_bytes(folder / "list.txt", text); };
  const Words command = finetune("ft", {"--no-baselines", "--list", at("list.txt")});
  list("0\n1\n2\n3\n4\n5\n6\n7\n");
  run(command);
  list("0\n1\n2\n3\n4\n5\n6\n11\n");
  check_fails(folder, 1, "digest of data.list's images", command + Words{"--resume"});
  list("7\n6\n5\n4\n3\n2\n1\n0\n");
  run(command + Words{"--resume"});
}

TEST_CASE_FIXTURE(Fixture, "a run does not go on from another encoder than it began with") {
  run({"pretrain", config, "--out", at("other"), "--seed", "5"});
  run(finetune("ft", {"--no-baselines"}));
  check_fails(
      folder, 1, "model.weights",
      {"finetune", at("other"), "--out", at("ft"), "--epochs", "3", "--train-batch", "8", "--no-baselines", "--resume"});
}

TEST_CASE_FIXTURE(Fixture, "wrong requests are one line, and leave nothing behind") {
  const auto fails = [&](const std::string& why, const Words& more) { check_fails(folder, 1, why, finetune("no", more)); };
  fails("data.fraction is 0.01, which leaves class '0' of 10 images without any; 0.05 is the least", {"--fraction", "0.01"});
  fails("data.validation is 0.01, which holds out none of 40 images", {"--validation", "0.01"});
  write_bytes(folder / "list.txt", "3\n5\n77\n");
  fails("list.txt:3: '77' is none of the 40 images", {"--list", at("list.txt")});
  write_bytes(folder / "list.txt", "0\n1\n2\n");
  fails("has no image of class '3'", {"--list", at("list.txt")});
  fails("data.split is test, but the test split is what the network is scored on", {"--set", "data.split=test"});
  for (const char* name : {"ant/1.pgm", "ant/2.pgm", "bee/1.pgm", "bee/2.pgm"})
    write_bytes(folder / "train only/train" / name, "P5 8 8 255\n" + std::string(64, 'x'));
  fails("put the images to score on into a folder test/ beside train/", {"--data", at("train only")});
  fails("train.frozen_stages is at most 5, but is 6", {"--set", "train.frozen_stages=6"});
  check_fails(folder, 1, "has no classifier: it was trained without labels; mec finetune trains one",
              {"predict", at("run"), "--out", at("p.csv")});
  check_fails(folder, 1, "ends in .csv, .json or .npy", {"predict", at("run"), "--out", at("p.txt")});
  check_fails(folder, 2, "finetune takes a run or a weights file, or --scratch CONFIG", {"finetune", "--out", at("no")});
}
