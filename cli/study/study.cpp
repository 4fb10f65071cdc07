#include "mec/cli/commands.h"

namespace mec::cli {

// Each study has a file of its own, cli/study/<name>.cpp.
void add_study(Command program) {
  Command study = program.add_subcommand("study", "A table and pictures of how a setting matters");
  study.require_subcommand();
  add_study_epsilon(study);
  add_study_order(study);
  add_study_methods(study);
  add_study_noise(study);
}

}  // namespace mec::cli
