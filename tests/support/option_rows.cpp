#include "support/option_rows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

namespace mec::test {

namespace {

const std::set<std::string> kDeviceOptions{"--device", "--threads", "--kernels", "--tf32",
                                           "--tune", "--nondeterministic"};

std::string help_of(std::vector<std::string> command) {
  const TempFolder folder;
  command.emplace_back("--help");
  const ProgramResult help = run_program(folder, command);
  REQUIRE_MESSAGE(help.status == 0, help.err);
  return help.out;
}

// First words of the lines under these headings, and of all lines that begin with dashes where
// `options`. What a line says goes on further in; options of a group are indented a little.
std::set<std::string> entries_of(const std::string& help, const std::string& heading,
                                 bool options) {
  constexpr std::size_t kEntry = 2, kGrouped = 4;
  std::set<std::string> entries;
  std::string under;
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
    if (indent == 0 && !line.empty()) under = line;
    const bool dashed = options && indent <= kGrouped && line.substr(indent).starts_with("--");
    if (!dashed && (under != heading || indent != kEntry)) continue;
    entries.insert(line.substr(indent, line.find_first_of(" ,{", indent) - indent));
  }
  return entries;
}

std::vector<std::string> with(std::vector<std::string> command,
                              const std::vector<std::string>& more) {
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

}  // namespace

std::set<std::string> options_of(const std::vector<std::string>& command) {
  return entries_of(help_of(command), "Positionals:", true);
}

std::vector<std::vector<std::string>> commands_below(const std::vector<std::string>& command) {
  std::vector<std::vector<std::string>> all;
  for (const std::string& name : entries_of(help_of(command), "Subcommands:", false)) {
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

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::set<std::string> and_also(std::set<std::string> options, const std::set<std::string>& more) {
  options.insert(more.begin(), more.end());
  return options;
}

}  // namespace mec::test
