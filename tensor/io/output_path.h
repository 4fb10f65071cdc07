// Where a file may be written that is made of another one.
#pragma once

#include <filesystem>
#include <string>

namespace mec {

// Before anything is read: ValueError where `to` is the file `from`, under whatever name, which it
// would replace; IoError where it is a folder, with `name` as a file that could be in it.
void check_output(const std::string& operation, const std::filesystem::path& from, const std::filesystem::path& to,
                  const std::string& name);

// Whether both name one file, be it there or not.
bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace mec
