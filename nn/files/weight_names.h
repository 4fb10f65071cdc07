// Which of a file's tensors belong to a module, whatever prefix their names have.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace mec {

using Names = std::set<std::string>;

// The prefix, empty or ending in a dot, after which most of the module's names are found in the
// file. With equal counts the empty prefix wins, then the shortest. IoError, naming `file`, where
// two prefixes that are not empty both have all the names.
std::string find_prefix(const std::vector<std::string>& in_file, const Names& of_module,
                        const std::string& file);

// Whether the name begins like one of the module's, digits aside ("layer5.0.conv1.weight" is like
// "layer4."): it was then meant for such a module.
bool is_akin(const std::string& name, const Names& of_module);

}  // namespace mec
