// Which of a file's tensors belong to a module, whatever stands before their names.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace mec {

using Names = std::set<std::string>;

// The beginning, empty or ending in a dot, behind which most of the module's names are found in the
// file; of equal ones the empty one, then the shortest. IoError, naming `file`, where two other
// beginnings both have them all.
std::string find_prefix(const std::vector<std::string>& in_file, const Names& of_module,
                        const std::string& file);

// The name begins as the module's do, up to digits ("layer5.0.conv1.weight" beside "layer4."): it
// was meant for such a module.
bool is_akin(const std::string& name, const Names& of_module);

}  // namespace mec
