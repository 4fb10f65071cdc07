#include "chaos/chaotic_run.h"

#include <cstdlib>

#include "mec/tensor/error.h"

namespace mec::test {

std::vector<std::string> ChaoticRun::command(const std::string& out, const std::string& method) const {
  std::vector<std::string> all{"train.checkpoint_steps=3"};
  all.insert(all.end(), settings.begin(), settings.end());
  return go(out, method, all);
}

std::vector<std::string> ChaoticRun::long_command(const std::string& out) const {
  return go(out, "mec", {"train.checkpoint_steps=3", "train.epochs=40"});
}

std::vector<std::string> ChaoticRun::variables(const Fault& fault) const {
  return {concat("LD_PRELOAD=", MEC_FAULTS),
          // A sanitizer's library wants to be loaded first, and may come second all the same.
          "ASAN_OPTIONS=verify_asan_link_order=0", "FAULTS_FOLDER=" + at(fault.folder), "FAULTS_KIND=" + fault.kind,
          concat("FAULTS_AT=", fault.at), concat("FAULTS_ERRNO=", fault.error), "FAULTS_FILE=" + fault.file,
          "FAULTS_CALL=" + fault.call, concat("FAULTS_DELAY=", fault.delay)};
}

ProgramResult ChaoticRun::with_fault(const Fault& fault, const std::vector<std::string>& arguments) const {
  const TempFolder outside;
  Process process(arguments, variables(fault), outside / "out", outside / "err");
  const int status = process.wait();
  return {.status = status, .out = read_bytes(outside / "out"), .err = read_bytes(outside / "err")};
}

long ChaoticRun::calls(const std::vector<std::string>& arguments) const {
  const TempFolder outside;
  std::vector<std::string> with_count = variables({.kind = "once"});
  with_count.push_back("FAULTS_COUNT=" + (outside / "count").string());
  REQUIRE(Process(arguments, with_count).wait() == 0);
  return std::atol(read_bytes(outside / "count").c_str());
}

void ChaoticRun::check_goes_on(const std::string& method) const {
  const ProgramResult result = run_program(folder, command("run", method));
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  check_same("run", "whole");
}

void ChaoticRun::copy(const std::string& from, const std::string& to) const {
  std::filesystem::remove_all(at(to));
  std::filesystem::copy(at(from), at(to));
}

void ChaoticRun::make_stopped() const {
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::filesystem::remove_all(at("stopped"));
    run_until(command("stopped"), [&] {
      const std::int64_t step = newest_checkpoint_in(at("stopped")).step;
      return step > 3 && step % 10 != 0;
    });
    std::int64_t checkpoints = 0;
    for (const auto& entry : std::filesystem::directory_iterator(at("stopped"))) {
      const std::string name = entry.path().filename().string();
      checkpoints += name.starts_with("checkpoint-") && name.ends_with(".safetensors") ? 1 : 0;
    }
    const std::int64_t step = newest_checkpoint_in(at("stopped")).step;
    if (checkpoints == 2 && step < 40 && step % 10 != 0) return;
  }
  FAIL("the run always ended before it was killed");
}

}  // namespace mec::test
