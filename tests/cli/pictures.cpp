// mec tsne and mec study noise.
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "mec/cli/pictures.h"
#include "mec/eval/process.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  void pretrain(const std::string& out, const std::string& seed = "0") const {
    run({"pretrain", config, "--threads", "1", "--out", at(out), "--seed", seed, "--set", "train.epochs=1"});
  }
  ProgramResult tsne(std::vector<std::string> more) const {
    more.insert(more.begin(), {"tsne", at("a"), "--perplexity", "5", "--iterations", "300", "--threads", "1"});
    return run(more);
  }
  ProgramResult noise(std::vector<std::string> more) const {
    more.insert(more.begin(), {"study", "noise", "--sigma", "0,0.3", "--feature-sigma", "0,1", "--seeds", "2", "--k", "5",
                               "--threads", "1", "--out", at("study")});
    return run(more);
  }
  std::vector<std::filesystem::path> kept() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "study/rows")) files.push_back(entry.path());
    return files;
  }
};

std::int64_t lines_of(const std::string& text) { return std::ranges::count(text, '\n'); }
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE_FIXTURE(Fixture, "t-SNE of two runs and of raw pixels is one table and one picture, the same each time") {
  pretrain("a");
  pretrain("b", "1");
  const ProgramResult result = tsne({at("b") + "/", "--raw", "--out", at("x")});
  for (const char* line : {"raw pixels: 20 images, width 64, KL divergence ", "a: 20 images, width 32, KL", "b: 20 images"}) {
    CHECK(has(result.out, line));
  }
  const std::string table = read_bytes(folder / "x/tsne.csv");
  CHECK(table.starts_with("features,index,label,x,y\nraw pixels,0,"));
  CHECK(lines_of(table) == 61);
  CHECK(has(table, "\na,19,3,"));
  const std::string script = read_bytes(folder / "x/tsne.gp");
  CHECK(has(script, "$panel2_class3"));
  if (find_program("gnuplot")) {
    CHECK(has(result.out, "tsne.csv, .gp, .png and .svg"));
    CHECK(std::filesystem::file_size(folder / "x/tsne.png") > 1000);
    CHECK(has(read_bytes(folder / "x/tsne.svg"), "raw pixels"));
  }
  tsne({at("b"), "--raw", "--out", at("y")});
  CHECK(read_bytes(folder / "y/tsne.csv") == table);
  CHECK(lines_of(read_bytes(folder / "x/tsne.csv")) == 61);
  tsne({"--n", "12", "--out", at("x")});  // into the same folder again
  CHECK(lines_of(read_bytes(folder / "x/tsne.csv")) == 13);
}

TEST_CASE_FIXTURE(Fixture, "without gnuplot the table and the script are written, and one line says how to draw") {
  pretrain("a");
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", folder.path().c_str(), 1);
  const ProgramResult result =
      run_program(folder, {"tsne", at("a"), "--perplexity", "5", "--iterations", "260", "--out", at("x")});
  ::setenv("PATH", before.c_str(), 1);
  CHECK(result.status == 0);
  CHECK(has(result.out, "gnuplot is not installed: `gnuplot tsne.gp`"));
  CHECK(std::filesystem::exists(folder / "x/tsne.gp"));
  CHECK_FALSE(std::filesystem::exists(folder / "x/tsne.png"));
}

TEST_CASE_FIXTURE(Fixture, "the noise study has a row for each noise and seed, and keeps what it has computed") {
  pretrain("a");
  const ProgramResult first = noise({at("a")});
  CHECK_FALSE(has(first.out, "(kept)"));
  const std::string table = read_bytes(folder / "study/noise.csv");
  CHECK(table.starts_with("run,on,sigma,seed,knn,linear\na,inputs,0,0,"));
  CHECK(lines_of(table) == 1 + 2 * (1 + 2));  // without noise one seed is enough
  // Without noise it is what `mec eval` says.
  const auto eval =
      nlohmann::json::parse(run({"eval", "table", at("a"), "--k", "5", "--no-baselines", "--json", "--threads", "1"}).out);
  const auto clean = concat("a,features,0,0,", eval.at("rows")[0].at("knn_accuracy").get<double>(), ",",
                            eval.at("rows")[0].at("linear_accuracy").get<double>(), "\n");
  CHECK(has(table, clean));

  // What is kept is used: a number that no computation gives stays.
  REQUIRE(kept().size() == 1);
  auto rows = nlohmann::ordered_json::parse(read_bytes(kept()[0]));
  rows["rows"]["inputs 0.3 1"]["knn"] = 0.123;
  rows["rows"].erase("features 1 0");
  write_bytes(kept()[0], rows.dump());
  const ProgramResult second = noise({at("a")});
  CHECK(has(second.out, "(kept)"));
  std::string expected = table;
  const std::size_t at_row = expected.find("a,inputs,0.3,1,") + 15;
  expected.replace(at_row, expected.find(',', at_row) - at_row, "0.123");
  // The row that was missing came out as before.
  CHECK(read_bytes(folder / "study/noise.csv") == expected);

  // Another option is another result.
  noise({at("a"), "--precision", "bf16"});
  CHECK(kept().size() == 2);
  CHECK_FALSE(has(read_bytes(folder / "study/noise.csv"), "0.123"));
  // And so is another encoder in the same place.
  std::filesystem::remove_all(folder / "a");
  pretrain("a", "7");
  CHECK_FALSE(has(noise({at("a")}).out, "(kept)"));
}

TEST_CASE_FIXTURE(Fixture, "two runs are two curves; only what is asked for is computed") {
  pretrain("a");
  pretrain("b", "1");
  const ProgramResult result = noise({at("a"), at("b"), "--on", "features"});
  CHECK_FALSE(has(result.out, "inputs"));
  const std::string script = read_bytes(folder / "study/noise.gp");
  CHECK(has(script, "$panel1_series1"));
  CHECK_FALSE(has(script, "$panel2"));
  CHECK(has(read_bytes(folder / "study/noise.csv"), "\nb,features,1,1,"));
}

TEST_CASE_FIXTURE(Fixture, "pictures of what is not there are refused in one line") {
  pretrain("a");
  const auto fails = [&](int status, const std::string& why, const std::vector<std::string>& arguments) {
    check_fails(folder, status, why, arguments);
  };
  fails(2, "runs", {"tsne"});
  fails(2, "", {"tsne", at("a"), at("a"), at("a")});
  fails(2, "--data is needed", {"tsne", at("a/encoder.safetensors")});
  fails(1, "nowhere", {"tsne", at("nowhere")});
  fails(1, "perplexity lies in [1, 19), the number of other points, but is 30", {"tsne", at("a"), "--out", at("x")});
  fails(2, "--iterations", {"tsne", at("a"), "--perplexity", "5", "--iterations", "100"});
  fails(1, "the output folder cannot be made", {"tsne", at("a"), "--perplexity", "5", "--out", at("config.toml/x")});
  fails(2, "subcommand", {"study"});
  fails(2, "runs", {"study", "noise"});
  fails(2, "--sigma", {"study", "noise", at("a"), "--sigma", "0,-1"});
  fails(2, "--on", {"study", "noise", at("a"), "--on", "weights"});
  fails(1, "nowhere", {"study", "noise", at("a"), at("nowhere")});
  noise({at("a"), "--on", "features"});
  write_bytes(kept()[0], "{\"key\": 1");
  fails(1, "these kept results are damaged; remove the file", {"study", "noise", at("a"), "--k", "5", "--out", at("study")});
}

TEST_CASE("runs are called by the last part of their path, or by all of it where that is not enough") {
  using Names = std::vector<std::string>;
  CHECK(cli::names_of_runs({"x/a", "x/b/", "c.safetensors"}) == Names{"a", "b", "c.safetensors"});
  CHECK(cli::names_of_runs({"x/a", "y/a/", "z"}) == Names{"x/a", "y/a/", "z"});
}
