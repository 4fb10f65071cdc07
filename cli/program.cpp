#include "mec/cli/program.h"

#include <iostream>
#include <new>

#include "mec/cli/commands.h"
#include "mec/cli/note.h"
#include "mec/cli/signals.h"
#include "mec/cli/surroundings.h"
#include "mec/tensor/error.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

// Prints one line, whatever characters the message holds: scripts read it.
int fail(const std::string& message, int status) {
  std::cout.flush();
  std::cerr << "error: " << printable(message) << "\n";
  return status;
}

int run(int argc, const char* const* argv) {
  try {
    CommandLine line("mec", "Trains image encoders without labels by maximum entropy coding (MEC), and evaluates them.",
                     "mec " MEC_VERSION);
    Command program = line.program();
    program.require_subcommand();
    for (const auto add : {add_pretrain, add_finetune, add_predict, add_eval, add_embed, add_neighbours, add_report, add_loss,
                           add_coding, add_tsne, add_study, add_bench, add_export, add_import, add_info}) {
      add(program);
    }
    std::cout << line.parse(argc, argv);
    return 0;
  } catch (const StoppedBySignal& stop) {
    std::cout.flush();
    note(stop.what());
    return stop.status;
  } catch (const UsageError& error) {
    return fail(std::string(error.what()) + " (see --help)", 2);
  } catch (const std::bad_alloc&) {
    return fail(out_of_memory(), 1);
  } catch (const std::exception& error) {
    return fail(error.what(), 1);
  }
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  const int status = run(argc, argv);
  std::string reason;
  if (status != 0 || flush_output(reason)) return status;
  return fail(concat("cannot write to standard output: ", reason), 1);
}

}  // namespace mec::cli
