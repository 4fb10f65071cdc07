// The classes of two splits, or of two data sets, are not the same.
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

#include "cases/small_encoder.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

namespace fs = std::filesystem;

// Colours that any encoder tells apart.
const std::map<std::string, Color> kColors{
    {"ant", {20, 20, 20}}, {"bee", {230, 230, 20}}, {"cat", {20, 20, 230}}, {"dog", {230, 20, 20}}};

struct Fixture {
  TempFolder folder;
  std::string encoder = write_small_encoder(folder);
  std::string data = (folder / "data").string();

  Fixture() {
    for (const auto& [name, color] : kColors) {
      write_pictures(folder / ("data/train/" + name), color, 6);
      if (name != "bee") write_pictures(folder / ("data/test/" + name), color, 4);
    }
  }
  ProgramResult run(const std::vector<std::string>& arguments) const {
    ProgramResult result = run_program(folder, arguments);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return result;
  }
  nlohmann::json row() const {
    const auto result = run({"eval", "table", encoder, "--data", data, "--k", "3", "--no-baselines",
                             "--threads", "1", "--json"});
    return nlohmann::json::parse(result.out).at("rows").at(0);
  }
  // The last of these has another word than the test for what is refused.
  void refuse_unknown(const std::string& why) const {
    const std::vector<std::vector<std::string>> commands{
        {"eval", "knn", encoder, "--k", "3", "--no-baselines"},
        {"eval", "linear", encoder, "--no-baselines"},
        {"eval", "table", encoder, "--k", "3"},
        {"study", "noise", encoder, "--k", "3", "--out", (folder / "study").string()}};
    for (std::vector<std::string> command : commands) {
      command.insert(command.end(), {"--data", data, "--threads", "1"});
      check_fails(folder, 1, why, command);
    }
  }
};

std::int64_t count(const std::string& text, const std::string& part) {
  std::int64_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "a test split without one of the classes is scored by the names of the others") {
  CHECK(row().at("knn_accuracy") == 1.0);
  CHECK(row().at("linear_accuracy") == 1.0);
  write_bytes(folder / "data/test/dog/0.png", make_picture(kColors.at("ant"), 9));  // one is wrong
  CHECK(row().at("knn_accuracy") == 11.0 / 12);
  CHECK(row().at("linear_accuracy") == 11.0 / 12);
  const std::string out = (folder / "study").string();
  run({"study", "noise", encoder, "--data", data, "--k", "3", "--sigma", "0", "--feature-sigma",
       "0.001", "--seeds", "1", "--out", out, "--threads", "1"});
  const std::string table = read_bytes(folder / "study/noise.csv");
  CHECK(count(table, "features,0.001,0,0.916667,0.916667\n") == 1);
  CHECK(count(table, "inputs,0,0,0.916667,0.916667\n") == 1);
}

TEST_CASE_FIXTURE(Fixture, "a class that the training split lacks is refused by its name") {
  write_pictures(folder / "data/test/eel", {20, 230, 20}, 4);
  refuse_unknown(
      "1 of the test images' classes have no training image: 'eel'; the training images are of "
      "'ant', "
      "'bee', 'cat', 'dog'");
  fs::rename(folder / "data/test/ant", folder / "data/test/Ant");
  refuse_unknown("2 of the test images' classes have no training image: 'Ant', 'eel'");
}

TEST_CASE_FIXTURE(Fixture, "a study refuses such splits before it trains") {
  write_bytes(folder / "run.toml", tiny_config(data));
  write_pictures(folder / "data/test/eel", {20, 230, 20}, 4);
  const std::string out = (folder / "study").string();
  const ProgramResult result = run_program(
      folder, {"study", "epsilon", (folder / "run.toml").string(), "--out", out, "--threads", "1"});
  CHECK(result.status == 1);
  CHECK(count(result.err,
              "error: classes: 1 of the test images' classes have no training image: 'eel'") == 1);
  CHECK_FALSE(fs::exists(out + "/runs"));
}

TEST_CASE_FIXTURE(Fixture, "labels in MNIST's format that no training image has are refused") {
  const auto write = [&](const std::string& prefix, const std::string& labels) {
    const auto n = static_cast<std::uint32_t>(labels.size());
    write_bytes(folder / concat("digits/", prefix, "-images-idx3-ubyte"),
                make_idx({n, 8, 8}, bytes_from(0, 64 * labels.size())));
    write_bytes(folder / concat("digits/", prefix, "-labels-idx1-ubyte"), make_idx({n}, labels));
  };
  write("train", std::string("\0\1\2\0\1\2", 6));
  write("t10k", std::string("\0\1\3", 3));
  check_fails(
      folder, 1,
      "1 of the test images' classes have no training image: '3'; the training images are of '0'",
      {"eval", "knn", encoder, "--data", (folder / "digits").string(), "--k", "3"});
}

TEST_CASE_FIXTURE(Fixture, "images without labels are refused before they are read") {
  for (const char* name : {"train", "test"})
    write_bytes(folder / concat("flat/", name, "/0.png"), "");
  check_fails(folder, 1, "accuracy needs labels, but the training images have none",
              {"eval", "knn", encoder, "--data", (folder / "flat").string(), "--k", "1"});
}

TEST_CASE_FIXTURE(Fixture,
                  "two runs on other data sets share a picture, each class under its own name") {
  for (const auto& [run, classes] :
       {std::pair("a", std::array{"ant", "bee"}), std::pair("b", std::array{"bee", "cat"})}) {
    for (const char* name : classes) {
      write_pictures(folder / concat(run, "-data/train/", name), kColors.at(name), 8);
      write_pictures(folder / concat(run, "-data/test/", name), kColors.at(name), 6);
    }
    const std::string config = (folder / concat(run, ".toml")).string();
    write_bytes(config, tiny_config(folder / concat(run, "-data")));
    this->run({"pretrain", config, "--out", (folder / run).string(), "--threads", "1"});
  }
  run({"tsne", (folder / "a").string(), (folder / "b").string(), "--perplexity", "3",
       "--iterations", "250", "--out", (folder / "picture").string(), "--threads", "1"});
  const std::string table = read_bytes(folder / "picture/tsne.csv");
  for (const char* row : {"\na,0,ant,", "\na,6,bee,", "\nb,0,bee,", "\nb,11,cat,"})
    CHECK(count(table, row) == 1);
  const std::string script = read_bytes(folder / "picture/tsne.gp");
  for (const char* block :
       {"$panel0_class0 <<", "$panel0_class1 <<", "$panel1_class1 <<", "$panel1_class2 <<"}) {
    CHECK(count(script, block) == 1);
  }
  CHECK(count(script, "$panel1_class0") == 0);
  for (const char* title : {"title 'ant'", "title 'bee'", "title 'cat'"})
    CHECK(count(script, title) == 2);  // PNG, SVG
}
