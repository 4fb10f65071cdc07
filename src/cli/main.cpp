#include "mec/cli/program.h"
#include "mec/cli/surroundings.h"

int main(int argc, char** argv) {
  mec::cli::prepare_process();
  return mec::cli::run_program(argc, argv);
}
