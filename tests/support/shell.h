// Runs the program by way of a shell: with limits, variables and streams that are not the usual
// ones.
#pragma once

#include <string>

#include "support/program.h"

namespace mec::test {

// `script` for /bin/sh, in the folder. "$MEC" is the program; `run …` runs it, and ends it after
// two minutes with status 124. Status 128 + n: a signal n ended it.
ProgramResult run_shell(const TempFolder& folder, const std::string& script);

// The same as a user whom limits and file modes bind, which they do not root. False where root may
// not become one.
bool can_run_bound();
ProgramResult run_bound(const TempFolder& folder, const std::string& script);

}  // namespace mec::test
