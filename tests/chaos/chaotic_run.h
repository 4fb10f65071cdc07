// A run of the real program to which everything happens that happens on a cluster, and what must
// come of it.
#pragma once

#include <cerrno>

#include "cli/resumed_run.h"
#include "support/process.h"

namespace mec::test {

// A fault of preload/faults.cpp.
struct Fault {
  std::string kind;  // once, on, each, kill, hang
  long at = 0;       // the number of the call
  int error = ENOSPC;
  std::string file = {}, call = {};  // of these alone; empty: of all
  std::string folder = "run";        // with the files
  int delay = 0;                     // of each of these calls, in milliseconds
};

// Runs of four epochs of ten steps, with a checkpoint after every third.
struct ChaoticRun : ResumeFixture {
  std::vector<std::string> settings = {};  // of all commands

  std::vector<std::string> command(const std::string& out, const std::string& method = "mec") const;
  std::vector<std::string> long_command(const std::string& out) const;  // of 400 steps
  // The variables that load the library with this fault.
  std::vector<std::string> variables(const Fault& fault) const;
  ProgramResult with_fault(const Fault& fault, const std::vector<std::string>& arguments) const;
  // The number of calls on the files of `run` that the command makes.
  long calls(const std::vector<std::string>& arguments) const;
  // The one command ends `run` well, with the bits of `whole`.
  void check_goes_on(const std::string& method = "mec") const;
  void copy(const std::string& from, const std::string& to) const;
  // `stopped`: a run that was killed in the middle of an epoch, and has two checkpoints.
  void make_stopped() const;
};

}  // namespace mec::test
