// The program `mec`: one subcommand per file, each over the library.
#pragma once

#include <stdexcept>

namespace mec::cli {

// The command line asks for something that makes no sense: exit status 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Exit status: 0; 1 after an error and 2 after wrong usage, with one line on stderr; after a signal
// the one that signals.h documents.
int run_program(int argc, const char* const* argv);

}  // namespace mec::cli
