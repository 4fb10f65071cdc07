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
  CLI::App program("Trains image encoders without labels by maximum entropy coding (MEC), and evaluates them.", "mec");
  program.set_version_flag("--version", "mec " MEC_VERSION);
  program.require_subcommand(1);
  for (const auto add : {add_pretrain, add_eval, add_embed, add_loss, add_coding, add_tsne, add_study, add_bench, add_info}) {
    add(program);
  }
  try {
    program.parse(argc, argv);
    std::cout.flush();
    return 0;
  } catch (const CLI::Success& help) {
    return program.exit(help);
  } catch (const CLI::ParseError& error) {
    return fail(std::string(error.what()) + " (see --help)", 2);
  } catch (const UsageError& error) {
    return fail(std::string(error.what()) + " (see --help)", 2);
  } catch (const std::exception& error) {
    return fail(error.what(), 1);
  }
}

}  // namespace mec::cli
