#include "support/paths.h"

#include <cstdlib>

namespace mec::test {

namespace {

std::filesystem::path from_environment(const char* name, const char* otherwise) {
  const char* chosen = std::getenv(name);
  return chosen ? chosen : otherwise;
}

}  // namespace

std::filesystem::path source_dir() { return MEC_SOURCE_DIR; }
std::filesystem::path golden_dir() { return from_environment("MEC_GOLDEN_DIR", MEC_GOLDEN_DIR); }
std::filesystem::path program_path() { return from_environment("MEC_PROGRAM", MEC_PROGRAM); }

}  // namespace mec::test
