// A run on images of which one makes its batch overflow: the run stops there, or skips such steps
// and goes on, to the same bytes each time and after a stop.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include <nlohmann/json.hpp>

#include "data/fixtures.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr int kImages = 44, kWhite = 20;

// Images without blue, and a white one: data.std brings its blue to 3·10³⁸, and f32 does not hold
// what a convolution makes of it.
struct Fixture : RunFixture {
  Fixture() {
    for (int i = 0; i < kImages; ++i) {
      std::vector<std::uint8_t> pixels = random_image({8, 8}, 3, static_cast<std::uint64_t>(i)).pixels;
      for (std::size_t p = 0; p < pixels.size(); ++p) {
        if (i == kWhite) pixels[p] = 255;
        else if (p % 3 == 2) pixels[p] = 0;
      }
      write_bytes(folder / "pictures" / concat("a/", 100 + i, ".png"), make_png(8, 8, pixels));
    }
    write_bytes(config, tiny_config(folder / "pictures"));
  }

  std::vector<std::string> pretrain(const std::string& out, const std::vector<std::string>& settings) const {
    std::vector<std::string> all{"pretrain", "--threads", "1", config, "--out", at(out)};
    const auto set = [&](const std::string& assignment) { all.insert(all.end(), {"--set", assignment}); };
    set("data.mean=[0.5, 0.5, 0]");
    set("data.std=[0.25, 0.25, 3e-39]");
    set("model.width=8");
    set("augment.gray_probability=0");
    set("augment.jitter_probability=0");
    set("augment.solarize_probability=0");
    set("train.epochs=12");
    for (const std::string& assignment : settings) set(assignment);
    return all;
  }
  std::string bytes_of(const std::string& out) const {
    return read_bytes(folder / out / "metrics.jsonl") + read_bytes(folder / out / "encoder.safetensors");
  }
  std::vector<nlohmann::json> lines_of(const std::string& out) const {
    std::istringstream stream(read_bytes(folder / out / "metrics.jsonl"));
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a step that overflows stops the run, which says how to go on without it") {
  const ProgramResult result = run_program(folder, pretrain("run", {"train.checkpoint_steps=1"}));
  CHECK(result.status == 1);
  CHECK(result.err.find(" that is not finite (loss ") != std::string::npos);
  CHECK(result.err.find("train.on_nonfinite=skip goes on without such a step") != std::string::npos);
  CHECK(result.err.find("; the last good state is in " + at("run/checkpoint-")) != std::string::npos);
  // As it says, from its last checkpoint, to what a run that skipped from the start leaves.
  std::vector<std::string> resumed = pretrain("run", {"train.on_nonfinite=skip"});
  resumed.emplace_back("--resume");
  run(resumed);
  run(pretrain("whole", {"train.on_nonfinite=skip"}));
  CHECK(bytes_of("run") == bytes_of("whole"));
}

TEST_CASE_FIXTURE(Fixture, "steps that are skipped are marked in the metrics, which are valid and the same on a repeat") {
  const ProgramResult result = run(pretrain("run", {"train.on_nonfinite=skip"}));
  CHECK(result.err.find(": it is skipped, as further ones will be\n") != std::string::npos);
  const auto lines = lines_of("run");
  REQUIRE(lines.size() == 24);
  int skipped = 0, without_loss = 0;
  for (const nlohmann::json& line : lines) {
    const bool marked = line.contains("skipped");
    if (marked) CHECK(line.at("skipped") == true);
    if (line.at("loss").is_null()) CHECK(marked);
    without_loss += line.at("loss").is_null() ? 1 : 0;
    skipped += marked ? 1 : 0;
  }
  CHECK(without_loss >= 2);
  CHECK(skipped <= 12);  // one batch of each epoch has the white image, or none
  CHECK(result.err.find(concat("mec: ", skipped, " steps were skipped, since something in them was not finite\n")) !=
        std::string::npos);
  run(pretrain("again", {"train.on_nonfinite=skip", "data.workers=3"}));
  CHECK(bytes_of("again") == bytes_of("run"));
}

TEST_CASE_FIXTURE(Fixture, "a run that is killed and resumed skips the same steps") {
  const std::vector<std::string> settings{"train.on_nonfinite=skip", "train.checkpoint_steps=1"};
  run(pretrain("whole", settings));
  stop_early(pretrain("run", settings), "run", 24);
  run({"pretrain", "--threads", "1", "--resume", at("run")});
  CHECK(bytes_of("run") == bytes_of("whole"));
}

TEST_CASE_FIXTURE(Fixture, "too many skipped steps in a row end the run, those before it was resumed included") {
  std::filesystem::create_directories(folder / "white/a");
  for (int i = 0; i < kImages; ++i) {
    std::filesystem::copy_file(folder / concat("pictures/a/", 100 + kWhite, ".png"),
                               folder / concat("white/a/", 100 + i, ".png"));
  }
  std::vector<std::string> settings{"data.path=" + at("white"), "train.on_nonfinite=skip", "train.nonfinite_limit=26"};
  run(pretrain("run", settings));
  // Every epoch's checkpoint was due, but would have replaced better ones, had there been some.
  std::vector<std::string> checkpoints;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "run")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("checkpoint-")) checkpoints.push_back(name);
  }
  CHECK(checkpoints == std::vector<std::string>{"checkpoint-24.safetensors"});
  settings.emplace_back("train.epochs=24");
  std::vector<std::string> longer = pretrain("run", settings);
  longer.emplace_back("--resume-with-changes");
  const ProgramResult result = run_program(folder, longer);
  CHECK(result.status == 1);
  CHECK(result.err.find("training: step 26 of 48 has a loss that is not finite") != std::string::npos);
  CHECK(result.err.find("and so have 26 steps in a row (train.nonfinite_limit is 26)") != std::string::npos);
  CHECK(lines_of("run").size() == 25);
}
