// Disks that refuse: each call on a run's files in turn, once or from then on. The run says so and
// trains on or ends in an error; either way it goes on, to the same bits.
#include "chaos/chaotic_run.h"

using namespace mec;
using namespace mec::test;

namespace {

void check_result(const ProgramResult& result) {
  CAPTURE(result.status);
  CAPTURE(result.err);
  CHECK((result.status == 0 || result.status == 1));
  if (result.status == 1) {
    REQUIRE(result.err.ends_with('\n'));
    CHECK(result.err.substr(result.err.rfind('\n', result.err.size() - 2) + 1).starts_with("error: "));
  }
}

// From the beginning, and from a run that was stopped.
void check_faults(const ChaoticRun& chaos, long every) {
  REQUIRE(chaos.run_until(chaos.command("whole"), [] { return false; }));
  chaos.make_stopped();
  int failed = 0, survived = 0;
  for (const bool resumes : {false, true}) {
    const auto prepare = [&] {
      if (resumes) chaos.copy("stopped", "run");
      else std::filesystem::remove_all(chaos.at("run"));
    };
    prepare();
    const long calls = chaos.calls(chaos.command("run"));
    REQUIRE(calls > 20);
    for (const Fault& kind : {Fault{.kind = "once", .error = EIO}, Fault{.kind = "once"}, Fault{.kind = "on"}}) {
      for (long at = 1 + (survived + failed) % every; at <= calls; at += every) {
        CAPTURE(resumes);
        CAPTURE(kind.kind);
        CAPTURE(at);
        prepare();
        const ProgramResult result = chaos.with_fault({.kind = kind.kind, .at = at, .error = kind.error}, chaos.command("run"));
        check_result(result);
        (result.status == 0 ? survived : failed) += 1;
        if (result.status == 0) chaos.check_same("run", "whole");
        chaos.check_goes_on();
      }
    }
  }
  MESSAGE(survived, " runs trained to their end, ", failed, " ended in an error");
  CHECK(survived > 0);
  CHECK(failed > 0);
}

}  // namespace

TEST_CASE_FIXTURE(ChaoticRun, "calls on files that fail, or a disk that is full from then on, cost a run nothing") {
  check_faults(*this, 17);
}

TEST_CASE_FIXTURE(ChaoticRun, "no checkpoint counts on lines that are not in their file") {
  REQUIRE(run_until(command("whole"), [] { return false; }));
  for (const std::string file : {"metrics.jsonl", "timings.jsonl"}) {
    for (const std::string call : {"write", "fsync"}) {
      CAPTURE(file);
      CAPTURE(call);
      std::filesystem::remove_all(at("run"));
      const ProgramResult result = with_fault({.kind = "on", .at = 5, .file = file, .call = call}, command("run"));
      check_result(result);
      CHECK(result.status == 1);
      check_goes_on();
    }
  }
}

TEST_CASE_FIXTURE(ChaoticRun, "a disk that is full a second time is told of a second time") {
  REQUIRE(run_until(command("whole"), [] { return false; }));
  const ProgramResult result = with_fault({.kind = "each", .at = 5, .file = "metrics.jsonl", .call = "write"}, command("run"));
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  const std::string line = concat("mec: cannot write ", at("run/metrics.jsonl"),
                                  ": No space left on device; training goes on, and it is tried again\n");
  CHECK(result.err.starts_with(line + line));
  check_same("run", "whole");
}

// At the end of an epoch, the run and the writer of checkpoints bring the same lines to the disk.
TEST_CASE_FIXTURE(ChaoticRun, "lines that do not reach the disk at once are in their file once") {
  REQUIRE(run_until(command("whole"), [] { return false; }));
  for (long call = 1; call <= 17; ++call) {
    CAPTURE(call);
    std::filesystem::remove_all(at("run"));
    const Fault fault{.kind = "once", .at = call, .error = EIO, .file = "metrics.jsonl", .call = "fsync", .delay = 20};
    const ProgramResult result = with_fault(fault, command("run"));
    check_result(result);
    if (result.status == 0) check_same("run", "whole");
    else check_goes_on();
  }
}

// Whether a disk refuses once or from then on; and whichever of the two files of a score.
TEST_CASE_FIXTURE(ChaoticRun, "a best encoder that cannot be written costs the run nothing, and scores go on") {
  settings = {"eval.every_epochs=1"};
  REQUIRE(run_until(command("whole"), [] { return false; }));
  for (const std::string call : {"open", "write", "fsync", "rename"}) {
    CAPTURE(call);
    for (const std::string kind : {"once", "on"}) {
      CAPTURE(kind);
      std::filesystem::remove_all(at("run"));
      const ProgramResult result = with_fault({.kind = kind, .at = 1, .file = "encoder-best", .call = call}, command("run"));
      check_result(result);
      const std::string told = "; training goes on, and it is tried again\n";
      CHECK(result.err.find("encoder-best.safetensors") != std::string::npos);
      const std::size_t first = result.err.find(told);
      REQUIRE(first != std::string::npos);
      CHECK(result.err.find(told, first + 1) == std::string::npos);
      for (const char* file : {"metrics.jsonl", "encoder.safetensors", "checkpoint-40.safetensors"})
        CHECK(read_bytes(folder / "run" / file) == read_bytes(folder / "whole" / file));
      if (kind == "on") {
        CHECK(result.status == 1);
        CHECK(result.err.find("error: the best encoder, of epoch ") != std::string::npos);
        CHECK_FALSE(std::filesystem::exists(at("run/encoder-best.safetensors")));
      }
      if (kind == "once") {
        CHECK(result.status == 0);
        check_same("run", "whole");
      }
    }
  }
}

TEST_SUITE("slow") {
  TEST_CASE_FIXTURE(ChaoticRun, "each call on a file fails in turn, or is the first on a full disk, and costs a run nothing") {
    check_faults(*this, 1);
  }
}
