// Files and folders by their names, in either case of letters.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mec::formats {

// The last part of a path, in lower case.
std::string lower_name(const std::filesystem::path& path);

// "'a', 'b'": the first few paths, and how many there are besides.
std::string list_paths(const std::vector<std::filesystem::path>& paths);

// The folder itself where it `holds` a data set; otherwise the one at most two levels below that
// does, by way of folders whose names contain one of `names`. Empty where none does, IoError where
// several do.
std::filesystem::path find_data_folder(
    const std::filesystem::path& folder, const std::vector<std::string_view>& names,
    const std::function<bool(const std::filesystem::path&)>& holds);

}  // namespace mec::formats
