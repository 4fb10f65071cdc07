// A run's health, in the program: figures in the metrics, which a stop does not change, and a line
// where the embeddings have collapsed.
#include <doctest/doctest.h>

#include <sstream>

#include <nlohmann/json.hpp>

#include "cli/resumed_run.h"
#include "data/fixtures.h"

using namespace mec;
using namespace mec::test;

TEST_CASE_FIXTURE(ResumeFixture, "the rank is in the lines of its steps, in the same bytes after a stop") {
  const std::vector<std::string> settings{"train.health_steps=3"};
  run(start("whole", "mec", settings));
  RunFixture::stop_early(start("run", "mec", settings), "run", 40);
  run(resume("run"));
  check_same("whole", "run");
  std::istringstream lines(read_bytes(folder / "whole/metrics.jsonl"));
  std::int64_t step = 0;
  for (std::string text; std::getline(lines, text);) {
    const nlohmann::json line = nlohmann::json::parse(text);
    CHECK(line.at("step") == ++step);
    CHECK(line.contains("effective_rank") == (step % 3 == 0));
    if (step % 3 == 0) CHECK(line.at("effective_rank") > 1);
  }
  CHECK(step == 40);
}

TEST_CASE_FIXTURE(RunFixture, "a run on images that are all alike is told once that its embeddings collapse") {
  for (int i = 0; i < 36; ++i)
    write_bytes(folder / concat("alike/a/", 100 + i, ".png"), make_png(8, 8, std::vector<std::uint8_t>(192, 90)));
  write_bytes(config, tiny_config(folder / "alike"));
  const ProgramResult result =
      run({"pretrain", config, "--out", at("run"), "--set", "train.health_steps=1", "--set", "augment.jitter_probability=0"});
  const std::size_t told = result.err.find("mec: step 1: the effective rank of the embeddings is ");
  REQUIRE(told != std::string::npos);
  CHECK(result.err.find(": the embeddings collapse; ", told) != std::string::npos);
  CHECK(result.err.find("the embeddings collapse", result.err.find('\n', told)) == std::string::npos);
}
