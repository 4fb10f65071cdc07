// Where a module of this program may be: a library that is opened when it is asked for, since it
// alone is linked to libraries that many machines do not have.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mec {

// Installed, `from_program` being its path as seen from the program's folder; in the folder `build`
// under the same file name, where the program is of that build. Files need not be there.
std::vector<std::filesystem::path> module_paths(const std::filesystem::path& from_program, const std::filesystem::path& build);

}  // namespace mec
