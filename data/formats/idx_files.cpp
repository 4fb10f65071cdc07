#include "mec/data/formats/idx_files.h"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include "mec/data/formats/file_names.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/tensor/error.h"

namespace mec::formats {
namespace {

namespace fs = std::filesystem;

// Removes `end` from the end of `text`. Returns false where the text does not end in it.
bool drop_end(std::string& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.resize(text.size() - end.size());
  return true;
}

// The parts of a file's name, such as emnist-letters-train-images-idx3-ubyte.gz.
struct IdxName {
  std::string set;  // "emnist-letters", or empty
  Split split = Split::train;
  bool images = false;
  bool packed = false;
};

std::optional<IdxName> parse_name(const fs::path& path) {
  std::string rest = lower_name(path);
  IdxName name;
  name.packed = drop_end(rest, ".gz");
  const auto ends = [&](std::string_view what, std::string_view idx) {
    for (const char* dot : {"-", "."}) {
      if (drop_end(rest, concat(what, dot, idx, "-ubyte"))) return true;
    }
    return false;
  };
  name.images = ends("-images", "idx3");
  if (!name.images && !ends("-labels", "idx1")) return std::nullopt;
  if (!drop_end(rest, "train")) {
    name.split = Split::test;
    if (!drop_end(rest, "t10k") && !drop_end(rest, "test")) return std::nullopt;
  }
  if (!rest.empty() && !drop_end(rest, "-")) return std::nullopt;
  name.set = rest;
  return name;
}

struct IdxFile {
  IdxName name;
  bool in_folder = false;  // of its own name, as Kaggle's archive has it
  fs::path path;
};

// In order of preference.
std::vector<IdxFile> list_idx_files(const fs::path& folder) {
  std::vector<IdxFile> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::optional<IdxName> name = parse_name(entry.path());
    if (!name) continue;
    if (!entry.is_directory()) {
      files.push_back({.name = *name, .path = entry.path()});
      continue;
    }
    for (const fs::directory_entry& inner : fs::directory_iterator(entry.path())) {
      const std::optional<IdxName> own = parse_name(inner.path());
      if (!own || own->split != name->split || own->images != name->images) continue;
      if (!inner.is_directory())
        files.push_back({.name = *own, .in_folder = true, .path = inner.path()});
    }
  }
  std::ranges::sort(files, {}, [](const IdxFile& file) {
    return std::tuple(file.name.packed, file.in_folder, file.path.native());
  });
  return files;
}

fs::path require(const std::vector<IdxFile>& files, const fs::path& folder, const IdxName& wanted) {
  bool has_split = false;  // the one file of it without the other
  for (const IdxFile& file : files) {
    const IdxName& name = file.name;
    if (name.set == wanted.set && name.split == wanted.split && name.images == wanted.images) return file.path;
    has_split = has_split || name.split == wanted.split;
  }
  const std::string missing = concat(folder.string(), ": there is no ", wanted.set, wanted.set.empty() ? "" : "-",
                                     wanted.split == Split::train ? "train-"
                                     : wanted.set.empty()         ? "t10k-"
                                                                  : "test-",
                                     wanted.images ? "images-idx3" : "labels-idx1", "-ubyte, plain or .gz");
  check<IoError>(!has_split, missing);
  throw MissingSplit(missing);
}

}  // namespace

fs::path find_idx_folder(const fs::path& folder) {
  return find_data_folder(folder, {"mnist", "raw", "gzip"},
                          [](const fs::path& at) { return !list_idx_files(at).empty(); });
}

IdxFiles find_idx_files(const fs::path& folder, Split split) {
  const std::vector<IdxFile> files = list_idx_files(folder);
  std::set<fs::path> sets;
  for (const IdxFile& file : files) sets.insert(file.name.set);
  check<IoError>(sets.size() <= 1, folder.string(),
                 ": there are files of several data sets: ", list_paths({sets.begin(), sets.end()}),
                 "; put the four files of one into a folder of their own");
  const std::string set = files.empty() ? "" : files[0].name.set;
  return {.images = require(files, folder, {.set = set, .split = split, .images = true}),
          .labels = require(files, folder, {.set = set, .split = split, .images = false}),
          .transposed = set.starts_with("emnist")};
}

}  // namespace mec::formats
