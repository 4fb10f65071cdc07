// Running another program, without a shell.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mec {

// The first executable file of that name on the PATH.
std::optional<std::filesystem::path> find_program(const std::string& name);

struct ProcessResult {
  int status = 0;      // the exit status, or 128 + the signal that ended it
  std::string output;  // of stdout and stderr
};
// Runs it in `folder` with empty input and waits. Arguments may hold any characters. IoError when
// it cannot be started.
ProcessResult run_process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                          const std::filesystem::path& folder);

}  // namespace mec
