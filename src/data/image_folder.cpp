#include <algorithm>
#include <cctype>

#include "mec/data/decode.h"
#include "mec/data/formats.h"
#include "mec/tensor/error.h"

namespace mec::formats {
namespace {

namespace fs = std::filesystem;

class ImageFolder : public Dataset {
 public:
  ImageFolder(DatasetInfo info, std::vector<fs::path> files, std::vector<std::int32_t> labels)
      : info_(std::move(info)), files_(std::move(files)), labels_(std::move(labels)) {}

  const DatasetInfo& info() const override { return info_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }

  Image read(std::int64_t i) const override {
    check<ValueError>(i >= 0 && i < size(), "read: image ", i, " of a data set of ", size());
    return read_image(files_[static_cast<std::size_t>(i)], info_.channels);
  }

  std::int32_t label(std::int64_t i) const override {
    check<ValueError>(info_.has_labels,
                      "label: the images lie in one folder and have no labels; put each class into a "
                      "sub-folder of its name");
    check<ValueError>(i >= 0 && i < size(), "label: image ", i, " of a data set of ", size());
    return labels_[static_cast<std::size_t>(i)];
  }

 private:
  DatasetInfo info_;
  std::vector<fs::path> files_;
  std::vector<std::int32_t> labels_;
};

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

bool is_image(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return !is_hidden(path) && (extension == ".jpg" || extension == ".jpeg" || extension == ".png");
}

// Entries of a folder that pass `keep`, sorted by the bytes of their names: the order is the same on every machine.
template <class Iterator, class Keep> std::vector<fs::path> sorted_entries(const fs::path& folder, Keep keep) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (Iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (keep(*it)) paths.push_back(it->path());
  }
  check<IoError>(!error, folder.string(), ": the folder cannot be read: ", error.message());
  std::sort(paths.begin(), paths.end(), [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return paths;
}

bool is_image_file(const fs::directory_entry& entry) { return is_image(entry.path()) && entry.is_regular_file(); }
bool is_class_folder(const fs::directory_entry& entry) { return !is_hidden(entry.path()) && entry.is_directory(); }

fs::path split_folder(const fs::path& folder, Split split) {
  const bool has_train = fs::is_directory(folder / "train");
  if (split == Split::train) return has_train ? folder / "train" : folder;
  for (const char* name : {"test", "val"}) {
    if (fs::is_directory(folder / name)) return folder / name;
  }
  throw IoError(concat(folder.string(), ": there is no test/ or val/ folder for the test split; ",
                       "to read the folder itself, say split train"));
}

}  // namespace

DatasetPtr open_image_folder(const DatasetOptions& options) {
  const fs::path folder = split_folder(options.path, options.split);
  std::vector<fs::path> files = sorted_entries<fs::directory_iterator>(folder, is_image_file);
  const std::vector<fs::path> classes = sorted_entries<fs::directory_iterator>(folder, is_class_folder);
  check<IoError>(!files.empty() || !classes.empty(), folder.string(), ": there are no JPEG or PNG files here");
  check<IoError>(files.empty() || classes.empty(), folder.string(), ": there are ", files.size(),
                 " images beside sub-folders; keep either images without labels or one sub-folder for each class");

  DatasetInfo info;
  info.kind = "folder";
  info.channels = options.channels == 0 ? 3 : options.channels;
  info.has_labels = !classes.empty();
  info.normalization = normalization_preset("imagenet").for_channels(info.channels);
  std::vector<std::int32_t> labels;
  for (const auto& class_folder : classes) {
    auto members = sorted_entries<fs::recursive_directory_iterator>(class_folder, is_image_file);
    check<IoError>(!members.empty(), class_folder.string(), ": this class has no JPEG or PNG files");
    labels.insert(labels.end(), members.size(), static_cast<std::int32_t>(info.class_names.size()));
    files.insert(files.end(), members.begin(), members.end());
    info.class_names.push_back(class_folder.filename().string());
  }
  return std::make_shared<ImageFolder>(std::move(info), std::move(files), std::move(labels));
}

}  // namespace mec::formats
