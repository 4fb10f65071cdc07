#include "mec/data/formats/file_names.h"

#include <algorithm>
#include <cctype>

#include "mec/tensor/error.h"

namespace mec::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPathsSaid = 5;
constexpr int kLevelsBelow = 2;

// Appends the folders that hold a data set to `found`; does not search within them.
void search(const fs::path& folder, int levels, const std::vector<std::string_view>& names,
            const std::function<bool(const fs::path&)>& holds, std::vector<fs::path>& found) {
  if (holds(folder)) return found.push_back(folder);
  if (levels == 0) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = lower_name(entry.path());
    const bool enter = std::ranges::any_of(
        names, [&](std::string_view part) { return name.find(part) != std::string::npos; });
    if (enter && entry.is_directory()) search(entry.path(), levels - 1, names, holds, found);
  }
}

}  // namespace

std::string lower_name(const fs::path& path) {
  std::string name = path.filename().string();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

std::string list_paths(const std::vector<fs::path>& paths) {
  std::string text;
  for (std::size_t i = 0; i < std::min(paths.size(), kPathsSaid); ++i) {
    text += concat(i > 0 ? ", '" : "'", paths[i].string(), "'");
  }
  return paths.size() > kPathsSaid ? concat(text, " and ", paths.size() - kPathsSaid, " others")
                                   : text;
}

fs::path find_data_folder(const fs::path& folder, const std::vector<std::string_view>& names,
                          const std::function<bool(const fs::path&)>& holds) {
  std::vector<fs::path> found;
  search(folder, kLevelsBelow, names, holds, found);
  std::ranges::sort(found);
  check<IoError>(found.size() <= 1, folder.string(),
                 ": there are several data sets: ", list_paths(found),
                 "; give one of them as the data set");
  return found.empty() ? fs::path() : found[0];
}

}  // namespace mec::formats
