#include "mec/cli/program.h"

int main(int argc, char** argv) { return mec::cli::run_program(argc, argv); }
