// The options that commands have, as their help lists them, so that an option without a test fails.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "support/program.h"

namespace mec::test {

using Words = std::vector<std::string>;
Words joined(Words words, const Words& more);
std::set<std::string> and_also(std::set<std::string> options, const std::set<std::string>& more);

// Options and positional arguments of a command ({"eval", "knn"}), as its help has them: "--k",
// "source".
std::set<std::string> options_of(const std::vector<std::string>& command);
// Its subcommands, all the way down; itself where it has none.
std::vector<std::vector<std::string>> commands_below(const std::vector<std::string>& command);

// Every option of the command is tested: those in `rows`, and the device's, which
// tests/cli/device_options.cpp has. No row is of an option that is not there.
void check_rows(const std::vector<std::string>& command, const std::set<std::string>& rows);

}  // namespace mec::test
