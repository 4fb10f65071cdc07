// Where the tests find things: compiled into one file, so that a copied tree recompiles one file.
#pragma once

#include <filesystem>

namespace mec::test {

std::filesystem::path source_dir();    // the repository
std::filesystem::path golden_dir();    // tests/golden, or the environment variable MEC_GOLDEN_DIR
// Build/<preset>/mec, or the environment variable MEC_PROGRAM.
std::filesystem::path program_path();

}  // namespace mec::test
