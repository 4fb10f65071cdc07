#include "mec/data/formats/image_files.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "mec/data/decoders/image_formats.h"
#include "mec/data/formats/file_names.h"
#include "mec/tensor/error.h"

namespace mec::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKindsSaid = 8;

// Folders that systems leave among people's files: unpacked archives of macOS, file systems,
// network storage, Python.
constexpr std::array<std::string_view, 4> kSystemFolders{"__MACOSX", "lost+found", "@eaDir",
                                                         "__pycache__"};

std::string name_of(const fs::path& path) { return path.filename().string(); }

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

bool is_system_folder(const fs::path& path) {
  return std::ranges::find(kSystemFolders, name_of(path)) != kSystemFolders.end();
}

void pass_over_file(const fs::path& path, PassedOver& passed_over) {
  const ImageFormat* const format = find_image_format(path);
  const std::string extension = lower_name(path.extension());
  const std::string kind = extension.empty() ? "without extension" : extension;
  if (!format) return passed_over.add(kind, "not an image by its name");
  if (format->is_read()) return passed_over.add_image(kind, "no regular file");
  passed_over.add_image(kind, concat("this build reads no ", format->name, ": ", format->note));
}

// Throws the error for an entry whose target cannot be examined, such as a link that leads nowhere.
[[noreturn]] void refuse_entry(const fs::directory_entry& entry, const std::error_code& error) {
  const std::string path = entry.path().string();
  if (!entry.is_symlink()) throw IoError(concat(path, ": cannot be examined: ", error.message()));
  throw IoError(concat(path, ": this link leads to '", fs::read_symlink(entry.path()).string(),
                       "': ", error ? error.message() : "no such file or folder",
                       "; remove it, or bring back what it leads to"));
}

// Adds one entry of a folder to the content, or counts it as passed over.
void sort_in(const fs::directory_entry& entry, FolderContent& content, PassedOver& passed_over) {
  const fs::path& path = entry.path();
  std::error_code error;  // of the last query; an entry that is missing is neither folder nor file
  const bool is_folder = entry.is_directory(error);
  if (is_hidden(path) || (is_folder && is_system_folder(path))) {
    // Of hidden files, only images are counted.
    if (is_folder) passed_over.add(concat("folder ", name_of(path)), "hidden");
    else if (find_image_format(path)) passed_over.add("file", "hidden");
    return;
  }
  if (is_folder) return content.folders.push_back(path);
  const bool is_file = entry.is_regular_file(error);
  if (is_file && reads_extension(path)) return content.images.push_back(path);
  if (!is_file && !entry.exists(error)) refuse_entry(entry, error);
  pass_over_file(path, passed_over);
}

void sort_by_bytes(std::vector<fs::path>& paths) {
  std::ranges::sort(paths,
                    [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::ranges::mismatch(folder, path).in1 == folder.end();
}

// Walks a tree of folders. Keeps the canonical paths of the folders that it is inside of, to detect
// a link that leads back to one of them.
class Walk {
 public:
  Walk(const fs::path& folder, PassedOver& passed_over) : passed_over_(passed_over) {
    places_.push_back(fs::canonical(fs::absolute(folder).parent_path()));
    visit(folder);
  }

  std::vector<fs::path> take_images() {
    sort_by_bytes(images_);
    return std::move(images_);
  }

 private:
  void visit(const fs::path& folder) {
    const fs::path place = fs::canonical(folder);
    if (fs::is_symlink(folder)) {
      for (const fs::path& outer : places_) {
        check<IoError>(!lies_in(outer, place), folder.string(), ": this link leads to '",
                       place.string(),
                       "', which holds it, so the images below have no end; remove it");
      }
    }
    places_.push_back(place);
    const FolderContent content = read_folder(folder, passed_over_);
    images_.insert(images_.end(), content.images.begin(), content.images.end());
    for (const fs::path& inner : content.folders) visit(inner);
    places_.pop_back();
  }

  PassedOver& passed_over_;
  std::vector<fs::path> places_, images_;
};

}  // namespace

void PassedOver::add(const std::string& kind, const std::string& reason) {
  ++counts_[{kind, reason}];
}

void PassedOver::add_image(const std::string& kind, const std::string& reason) {
  add(kind, reason);
  has_images_ = true;
}

void PassedOver::add_folder(const fs::path& folder) {
  add(concat("folder ", name_of(folder)), "no images to read in it");
}

std::string PassedOver::text() const {
  std::vector<std::pair<std::int64_t, std::string>> parts;
  for (const auto& [what, count] : counts_) {
    parts.emplace_back(count, concat(what.first, " (", what.second, ")"));
  }
  std::ranges::stable_sort(parts, std::ranges::greater{},
                           [](const auto& part) { return part.first; });
  std::string text;
  for (std::size_t i = 0; i < std::min(parts.size(), kKindsSaid); ++i) {
    text += concat(i > 0 ? ", " : "", parts[i].first, " ", parts[i].second);
  }
  std::int64_t others = 0;
  for (std::size_t i = kKindsSaid; i < parts.size(); ++i) others += parts[i].first;
  return others > 0 ? concat(text, ", and ", others, " of other kinds") : text;
}

FolderContent read_folder(const fs::path& folder, PassedOver& passed_over) {
  FolderContent content;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    sort_in(*it, content, passed_over);
  }
  check<IoError>(!error, folder.string(), ": the folder cannot be read: ", error.message());
  sort_by_bytes(content.images);
  sort_by_bytes(content.folders);
  return content;
}

std::vector<fs::path> find_images(const fs::path& folder, PassedOver& passed_over) {
  return Walk(folder, passed_over).take_images();
}

}  // namespace mec::formats
