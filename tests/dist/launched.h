// mpirun mec, and the processes that it has started.
#pragma once

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/resumed_run.h"
#include "support/paths.h"
#include "support/process.h"

namespace mec::test {

// ASAN_OPTIONS: leaks are MPI's own.
inline const std::vector<std::string> kVariables{"ASAN_OPTIONS=detect_leaks=0",
                                                 "OMPI_ALLOW_RUN_AS_ROOT=1",
                                                 "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
                                                 "OMPI_MCA_rmaps_base_oversubscribe=1",
                                                 "OMPI_MCA_btl_vader_single_copy_mechanism=none",
                                                 "OMPI_MCA_hwloc_base_binding_policy=none"};

inline std::vector<std::string> impatient(int seconds) {
  std::vector<std::string> variables = kVariables;
  variables.push_back(concat("MEC_PATIENCE=", seconds));
  return variables;
}

// The rank that the launcher told this process to be.
inline std::string rank_of(pid_t process) {
  std::ifstream file(concat("/proc/", process, "/environ"));
  for (std::string variable; std::getline(file, variable, '\0');) {
    if (variable.starts_with("OMPI_COMM_WORLD_RANK=")) return variable.substr(variable.find('=') + 1);
  }
  return "";
}

// Runs of four epochs of ten steps.
struct Launched : ResumeFixture {
  std::filesystem::path out = folder / "out.txt", err = folder / "err.txt";

  static std::vector<std::string> launch(int processes, const std::vector<std::string>& arguments) {
    std::vector<std::string> words{"-n", std::to_string(processes), program_path().string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
  }
  ProgramResult run_in(int processes, const std::vector<std::string>& arguments) const {
    Process process(MEC_MPIEXEC, launch(processes, arguments), kVariables, out, err);
    const int status = process.wait();
    return {.status = status, .out = read_bytes(out), .err = read_bytes(err)};
  }
  std::vector<std::string> command(const std::string& name, const std::string& method = "mec",
                                   std::vector<std::string> more = {}) const {
    more.emplace_back("train.checkpoint_steps=3");
    return go(name, method, more);
  }
  std::vector<std::string> long_command(const std::string& name) const { return command(name, "mec", {"train.epochs=40"}); }
  // The processes that train in this folder now.
  std::vector<pid_t> ranks_of(const std::string& name) const {
    std::vector<pid_t> ranks;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ostringstream read;
      read << std::ifstream(entry.path() / "cmdline").rdbuf();  // nothing, where the process has just ended
      const std::string words = read.str();
      if (words.starts_with(program_path().string()) && words.find(at(name)) != std::string::npos)
        ranks.push_back(std::stoi(entry.path().filename().string()));
    }
    return ranks;
  }
  // The launched long_command("run") stops at SIGUSR1 with a checkpoint of its last step, and goes
  // on to the bits of the one that is whole.
  void check_stops(Process& process) const {
    process.send(SIGUSR1);
    CHECK(process.wait() == 75);
    const std::string said = read_bytes(err);
    CAPTURE(said);
    CHECK(said.find(concat("after step ", newest_checkpoint_in(at("run")).step)) != std::string::npos);
    REQUIRE(run_in(2, long_command("run")).status == 0);
    check_same("run", "whole");
  }
  // Of all steps that have this metric.
  std::vector<double> values(const std::string& name, const char* metric) const {
    std::vector<double> all;
    std::istringstream lines(read_bytes(folder / name / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto step = nlohmann::json::parse(line);
      if (step.contains(metric)) all.push_back(step.at(metric));
    }
    return all;
  }
  std::vector<double> losses(const std::string& name) const { return values(name, "loss"); }
};

}  // namespace mec::test
