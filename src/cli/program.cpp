#include "mec/cli/program.h"

#include <algorithm>
#include <iostream>

#include "mec/cli/commands.h"

namespace mec::cli {

namespace {

// One line, whatever the message holds: scripts read it.
int fail(std::string message, int status) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::cout.flush();
  std::cerr << "error: " << message << "\n";
  return status;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  CommandLine line("mec", "Trains image encoders without labels by maximum entropy coding (MEC), and evaluates them.",
                   "mec " MEC_VERSION);
  Command program = line.program();
  program.require_subcommand();
  for (const auto add : {add_pretrain, add_eval, add_embed, add_loss, add_coding, add_tsne, add_study, add_bench, add_info}) {
    add(program);
  }
  try {
    std::cout << line.parse(argc, argv) << std::flush;
    return 0;
  } catch (const UsageError& error) {
    return fail(std::string(error.what()) + " (see --help)", 2);
  } catch (const std::exception& error) {
    return fail(error.what(), 1);
  }
}

}  // namespace mec::cli
