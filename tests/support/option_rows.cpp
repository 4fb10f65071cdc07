#include "support/option_rows.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <sstream>

#include "mec/tensor/devices.h"

namespace mec::test {

namespace {

const std::set<std::string> kDeviceOptions{"--device", "--threads", "--portable", "--tf32",
                                           "--tune"};

std::string help_of(std::vector<std::string> command) {
  const TempFolder folder;
  command.emplace_back("--help");
  const ProgramResult help = run_program(folder, command);
  REQUIRE_MESSAGE(help.status == 0, help.err);
  return help.out;
}

// First words of the lines under some headings of a help text; what they say goes on, further in,
// in the next lines.
std::set<std::string> entries_of(const std::string& help, bool subcommands) {
  std::set<std::string> entries;
  bool wanted = false;
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != ' ') wanted = (line == "Subcommands:") == subcommands;
    const std::size_t indent = line.find_first_not_of(' ');
    if (!wanted || indent != 2) continue;
    std::string word = line.substr(2, line.find_first_of(" ,{", 2) - 2);
    if (word.starts_with("[Option"))
      continue;  // "[Exactly 1 of the following options is required]"
    if (word != "-h") entries.insert(word);
  }
  return entries;
}

// The largest team of threads that the program made; 1 where it made none.
int largest_team(const TempFolder& folder, const std::vector<std::string>& command) {
  ::setenv("OMP_DISPLAY_AFFINITY", "true", 1);
  ::setenv("OMP_AFFINITY_FORMAT", "a team of %N", 1);
  const ProgramResult result = run_program(folder, command);
  ::unsetenv("OMP_DISPLAY_AFFINITY");
  ::unsetenv("OMP_AFFINITY_FORMAT");
  CHECK_MESSAGE(result.status == 0, result.err);
  int largest = 1;
  std::istringstream lines(result.out + result.err);
  const std::string start = "a team of ";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(start)) largest = std::max(largest, std::stoi(line.substr(start.size())));
  }
  return largest;
}

std::vector<std::string> with(std::vector<std::string> command,
                              const std::vector<std::string>& more) {
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

}  // namespace

std::set<std::string> options_of(const std::vector<std::string>& command) {
  return entries_of(help_of(command), false);
}

std::vector<std::vector<std::string>> commands_below(const std::vector<std::string>& command) {
  std::vector<std::vector<std::string>> all;
  for (const std::string& name : entries_of(help_of(command), true)) {
    for (const auto& below : commands_below(with(command, {name}))) all.push_back(below);
  }
  if (all.empty()) all.push_back(command);
  return all;
}

void check_rows(const std::vector<std::string>& command, const std::set<std::string>& rows) {
  CAPTURE(command.back());
  std::set<std::string> options = options_of(command);
  for (const std::string& row : rows) CHECK_MESSAGE(options.erase(row) == 1, row, " is no option");
  for (const std::string& option : options) {
    CHECK_MESSAGE(kDeviceOptions.contains(option), option, " has no row of tests");
  }
}

void check_device_options(const TempFolder& folder, const std::vector<std::string>& command) {
  CAPTURE(command[0]);
  CAPTURE(command[1]);
#if MEC_HAVE_OPENMP
  CHECK(largest_team(folder, with(command, {"--threads", "3"})) == 3);
  CHECK(largest_team(folder, with(command, {"--threads", "1"})) == 1);
  CHECK(largest_team(folder, with(command, {"--threads", "3", "--device", "reference"})) == 1);
#endif
  const std::string why = describe_cuda().reason;
  if (why.empty()) return;  // there is a GPU; tests/gpu has its options
  const ProgramResult result = run_program(folder, with(command, {"--device", "cuda"}));
  CHECK(result.status == 1);
  CHECK(result.err.find(why) != std::string::npos);
}

}  // namespace mec::test
