#include "mec/tensor/io/module_paths.h"

#include <system_error>

namespace mec {

std::vector<std::filesystem::path> module_paths(const std::filesystem::path& from_program, const std::filesystem::path& build) {
  std::vector<std::filesystem::path> paths;
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return paths;
  paths.push_back((program.parent_path() / from_program).lexically_normal());
  const std::filesystem::path inside = program.lexically_relative(build);
  if (!inside.empty() && *inside.begin() != "..") paths.push_back(build / from_program.filename());
  return paths;
}

}  // namespace mec
