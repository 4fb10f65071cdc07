// mpirun mec embed, mec eval, and scores while a run trains: the numbers of one process.
#include "data/fixtures.h"
#include "dist/launched.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : Launched {
  std::vector<std::string> embed(const std::string& file, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"embed", at("run"), "--batch", "7", "--out", at(file)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  void train() const { run(start("run", "mec", kNoCheckpoints)); }
  // The program fails with one line of its own on stderr, and writes nothing.
  void refused(int processes, const std::vector<std::string>& arguments, const std::string& why) const {
    const std::set<std::string> before = listing(folder);
    const ProgramResult result = run_in(processes, arguments);
    std::filesystem::remove(out);
    std::filesystem::remove(err);
    CAPTURE(result.err);
    CHECK(result.status != 0);
    const std::size_t at = result.err.find("error: ");
    REQUIRE(at != std::string::npos);
    CHECK(result.err.find("error: ", at + 1) == std::string::npos);
    CHECK(result.err.substr(at, result.err.find('\n', at) - at).find(why) != std::string::npos);
    CHECK(listing(folder) == before);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "features are those of one process to the bit, in any number of processes, and told once") {
  train();
  // 20 images make three batches; 160 make 23.
  for (const std::string split : {"test", "train"}) {
    CAPTURE(split);
    run(embed("one.npy", {"--split", split}));
    for (const int processes : {2, 3, 5}) {
      CAPTURE(processes);
      const ProgramResult result = run_in(processes, embed("several.npy", {"--split", split}));
      CAPTURE(result.err);
      REQUIRE(result.status == 0);
      CHECK(result.out == concat("wrote ", at("several.npy"), ": (", split == "test" ? 20 : 160, ",32) f32\n"));
      CHECK(read_bytes(at("several.npy")) == read_bytes(at("one.npy")));
    }
  }
  std::vector<float> pixels(std::size_t{10} * 8 * 8);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i % 37) / 37;
  write_npy(at("images.npy"), Tensor::from(pixels, {10, 8, 8, 1}, make_cpu_device({.threads = 1})));
  run(embed("one.npy", {"--images", at("images.npy")}));
  REQUIRE(run_in(2, embed("several.npy", {"--images", at("images.npy")})).status == 0);
  CHECK(read_bytes(at("several.npy")) == read_bytes(at("one.npy")));
}

TEST_CASE_FIXTURE(Fixture, "accuracies are those of one process, for each form of mec eval") {
  train();
  for (const std::string form : {"knn", "linear", "table"}) {
    CAPTURE(form);
    const std::vector<std::string> arguments{"eval", form, at("run"), "--batch", "9", "--json"};
    const std::string one = run(arguments).out;
    for (const int processes : {2, 3}) {
      const ProgramResult result = run_in(processes, arguments);
      CAPTURE(result.err);
      REQUIRE(result.status == 0);
      CHECK(result.out == one);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "an image that one process cannot read ends all, with its process, host and name") {
  train();
  for (int i = 0; i < 20; ++i) {
    const std::string png = make_png(8, 8, random_image({8, 8}, 1, static_cast<std::uint64_t>(i)).pixels);
    write_bytes(folder / "pictures/test/a" / concat(10 + i, ".png"), i == 9 ? png.substr(0, 60) : png);
  }
  // The second batch, and so the second process's.
  refused(2, embed("several.npy", {"--data", at("pictures")}), "19.png: the PNG file cannot be decoded");
  CHECK(run_in(2, embed("several.npy", {"--data", at("pictures")})).err.find("error: process 1 of 2, on ") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "processes that embed other images than the first are refused") {
  train();
  const std::string line = concat("exec '", program_path().string(), "' embed '", at("run"), "' --out '", at("several.npy"),
                                  "' --batch $((7 + $OMPI_COMM_WORLD_RANK))");
  Process process(MEC_MPIEXEC, {"-n", "2", "/bin/sh", "-c", line}, kVariables, out, err);
  CHECK(process.wait() == 1);
  CHECK(read_bytes(err).find("embed the same images, but this one has batch = 8, and the first one batch = 7") !=
        std::string::npos);
  CHECK_FALSE(std::filesystem::exists(at("several.npy")));
}

TEST_CASE_FIXTURE(Fixture, "commands for one process end all of several, with one line that says so") {
  train();
  const std::string why = "this command is for one process, but this is one of 2 (OMPI_COMM_WORLD_SIZE)";
  refused(2, {"tsne", at("run"), "--out", at("map")}, why);
  refused(2, {"study", "noise", at("run"), "--out", at("noise")}, why);
  refused(2, {"bench", "loss"}, why);
}

TEST_CASE_FIXTURE(Fixture, "each process shows where it runs") {
  const ProgramResult result = run_in(3, {"info"});
  REQUIRE(result.status == 0);
  for (int rank = 0; rank < 3; ++rank) CHECK(result.out.find(concat("process ", rank, " of 3, on ")) != std::string::npos);
  CHECK(result.out.find("image files") == result.out.rfind("image files"));  // told once
}

TEST_CASE_FIXTURE(Fixture, "encoders are scored by all processes while they train, and the run goes on after any score") {
  const std::vector<std::string> settings{"eval.every_epochs=1", "eval.probe=true"};
  for (const std::string synchronised : {"true", "false"}) {
    CAPTURE(synchronised);
    std::vector<std::string> all = settings;
    all.push_back("train.sync_batch_norm=" + synchronised);
    for (const char* name : {"whole", "again"}) {
      const ProgramResult result = run_in(2, command(name, "mec", all));
      CAPTURE(result.err);
      REQUIRE(result.status == 0);
    }
    check_same("again", "whole");
    // One process, with what the run has left, finds the last epoch's scores.
    std::string last;
    std::istringstream lines(read_bytes(at("whole/metrics.jsonl")));
    for (std::string line; std::getline(lines, line);) last = line;
    const nlohmann::json scores = nlohmann::json::parse(last);
    const nlohmann::json row =
        nlohmann::json::parse(
            run({"eval", "table", "--json", "--no-baselines", "--threads", "1", "--iterations", "100", at("whole")}).out)
            .at("rows")
            .at(0);
    CHECK(scores.at("epoch") == 4);
    CHECK(scores.at("knn") == row.at("knn_accuracy"));
    CHECK(scores.at("probe") == row.at("linear_accuracy"));
    // A run that was stopped before its last scores takes them first.
    std::filesystem::copy(at("whole"), at("run"), std::filesystem::copy_options::recursive);
    for (const char* file : {"run/metrics.jsonl", "run/timings.jsonl"}) {
      const std::string text = read_bytes(at(file));
      write_bytes(at(file), text.substr(0, text.rfind('\n', text.size() - 2) + 1));
    }
    REQUIRE(run_in(2, command("run", "mec", all)).status == 0);
    CHECK(read_bytes(at("run/metrics.jsonl")) == read_bytes(at("whole/metrics.jsonl")));
    for (const char* name : {"whole", "again", "run"}) std::filesystem::remove_all(at(name));
  }
}
