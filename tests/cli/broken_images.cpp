// A folder with broken images: the run stops and says how to go on without them, or skips them and
// leaves the same bytes on any number of workers, and after a stop.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "data/fixtures.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr int kImages = 32;

struct Fixture : RunFixture {
  Fixture() {
    for (int i = 0; i < kImages; ++i) {
      const std::string png = make_png(8, 8, random_image({8, 8}, 3, static_cast<std::uint64_t>(i)).pixels);
      const bool broken = i == 5 || i == 17 || i == 29;
      write_bytes(folder / "pictures" / concat(i % 2 == 0 ? "a" : "b", "/", 100 + i, ".png"), broken ? png.substr(0, 90) : png);
    }
    write_bytes(config, tiny_config(folder / "pictures"));
  }

  std::vector<std::string> pretrain(const std::string& out, const std::vector<std::string>& settings) const {
    std::vector<std::string> all{"pretrain", "--threads", "1", config, "--out", at(out)};
    for (const std::string& assignment : settings) all.insert(all.end(), {"--set", assignment});
    return all;
  }
  // What the run leaves, but for settings and times.
  std::string bytes_of(const std::string& out) const {
    return read_bytes(folder / out / "metrics.jsonl") + read_bytes(folder / out / "encoder.safetensors") +
           read_bytes(folder / out / "broken.txt");
  }
  std::string name(int i) const { return at(concat("pictures/b/", 100 + i, ".png")); }
  // Of broken.txt: the pictures of b follow the sixteen of a.
  std::string line_of(int i) const { return concat(kImages / 2 + i / 2, '\t', name(i)); }
};

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a broken image stops the run, which names it and says how to do without") {
  const ProgramResult result = run_program(folder, pretrain("run", {}));
  CHECK(result.status == 1);
  CHECK(result.err.find(".png: the PNG file cannot be decoded: ") != std::string::npos);
  CHECK(result.err.find("; data.on_broken=skip trains without such images, and lists them in broken.txt\n") !=
        std::string::npos);
  CHECK(!std::filesystem::exists(folder / "run/broken.txt"));
}

TEST_CASE_FIXTURE(Fixture, "a run that skips broken images leaves the same bytes on any number of workers") {
  const ProgramResult result = run(pretrain("run", {"data.on_broken=skip", "data.workers=0"}));
  const auto lines = lines_of(read_bytes(folder / "run/broken.txt"));
  REQUIRE(lines.size() == 3);
  for (int i = 0; i < 3; ++i)
    CHECK(lines[static_cast<std::size_t>(i)].starts_with(line_of(5 + 12 * i) + ": the PNG file cannot be "));
  const std::string told = "mec: skipped a broken image: ";
  const std::size_t first = result.err.find(told);
  REQUIRE(first != std::string::npos);
  CHECK(result.err.find(told, first + 1) == std::string::npos);  // the file has the others
  for (const char* workers : {"1", "3"}) {
    run(pretrain("other", {"data.on_broken=skip", concat("data.workers=", workers)}));
    CHECK(bytes_of("other") == bytes_of("run"));
    std::filesystem::remove_all(folder / "other");
  }
}

TEST_CASE_FIXTURE(Fixture, "more broken images than data.broken_limit stop the run, which says so") {
  const ProgramResult result = run_program(folder, pretrain("run", {"data.on_broken=skip", "data.broken_limit=2"}));
  CHECK(result.status == 1);
  CHECK(result.err.find("3 images of the data set are broken, and 2 may be left out (data.broken_limit); " +
                        at("run/broken.txt") + " lists them\n") != std::string::npos);
  CHECK(lines_of(read_bytes(folder / "run/broken.txt")).size() == 3);
  run(pretrain("other", {"data.on_broken=skip", "data.broken_limit=3"}));
}

TEST_CASE_FIXTURE(Fixture, "a run that is killed and resumed skips the same images") {
  const std::vector<std::string> settings{"data.on_broken=skip", "train.epochs=12"};
  run(pretrain("whole", settings));
  stop_early(pretrain("run", settings), "run", 24);
  run({"pretrain", "--threads", "1", "--resume", at("run")});
  CHECK(lines_of(read_bytes(folder / "run/broken.txt")).size() == 3);
  CHECK(bytes_of("run") == bytes_of("whole"));
}

TEST_CASE_FIXTURE(Fixture, "a resumed run keeps the lines of images that have been mended since") {
  const std::vector<std::string> settings{"data.on_broken=skip", "train.epochs=12"};
  stop_early(pretrain("run", settings), "run", 24);
  const auto before = lines_of(read_bytes(folder / "run/broken.txt"));
  const std::string whole = make_png(8, 8, random_image({8, 8}, 3, 5).pixels);
  write_bytes(name(5), whole);
  run({"pretrain", "--threads", "1", "--resume", at("run")});
  CHECK(lines_of(read_bytes(folder / "run/broken.txt")) == before);
}

TEST_CASE_FIXTURE(Fixture, "an image counts once, though its path and the reason have changed since the run was stopped") {
  const std::vector<std::string> settings{"data.on_broken=skip", "data.broken_limit=3", "train.epochs=12"};
  stop_early(pretrain("run", settings), "run", 24);
  const std::string before = read_bytes(folder / "run/broken.txt");
  REQUIRE(lines_of(before).size() == 3);
  write_bytes(name(17), "no picture");
  std::filesystem::rename(folder / "pictures", folder / "moved");
  std::string toml = read_bytes(folder / "run/settings.toml");
  toml.replace(toml.find(at("pictures")), at("pictures").size(), at("moved"));
  write_bytes(folder / "run/settings.toml", toml);
  run({"pretrain", "--threads", "1", "--resume", at("run")});
  const auto lines = lines_of(read_bytes(folder / "run/broken.txt"));
  REQUIRE(lines.size() == 3);
  for (const std::string& line : lines) CHECK(line.find(concat('\t', at("moved/b/"))) != std::string::npos);
  CHECK(lines[1].find("the PNG file cannot be ") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "the list of a run that begins again is its own") {
  run(pretrain("run", {"data.on_broken=skip", "train.checkpoint_epochs=0", "train.checkpoint_minutes=0", "train.epochs=1"}));
  for (const char* file : {"encoder.safetensors", "metrics.jsonl"}) std::filesystem::remove(folder / "run" / file);
  write_bytes(folder / "run/broken.txt", "left by the run before\n");
  run(pretrain("run", {"data.on_broken=skip"}));
  CHECK(lines_of(read_bytes(folder / "run/broken.txt")).size() == 3);
}
