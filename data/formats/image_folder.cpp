#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "mec/data/decoders/decode.h"
#include "mec/data/decoders/image_formats.h"
#include "mec/data/formats/file_names.h"
#include "mec/data/formats/formats.h"
#include "mec/data/formats/image_files.h"
#include "mec/tensor/error.h"

namespace mec::formats {
namespace {

namespace fs = std::filesystem;

class ImageFolder : public Dataset {
 public:
  ImageFolder(DatasetInfo info, const DecodeOptions& decoding, std::vector<fs::path> files, std::vector<std::int32_t> labels)
      : info_(std::move(info)), decoding_(decoding), files_(std::move(files)), labels_(std::move(labels)) {}

  const DatasetInfo& info() const override { return info_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }

  Image read(std::int64_t i) const override {
    check<ValueError>(i >= 0 && i < size(), "read: image ", i, " of a data set of ", size());
    return read_image(files_[static_cast<std::size_t>(i)], decoding_);
  }

  std::int32_t label(std::int64_t i) const override {
    check<ValueError>(
        info_.has_labels,
        "label: the images lie in one folder and have no labels; put each class into a "
        "sub-folder of its name");
    check<ValueError>(i >= 0 && i < size(), "label: image ", i, " of a data set of ", size());
    return labels_[static_cast<std::size_t>(i)];
  }

  std::string name(std::int64_t i) const override { return files_.at(static_cast<std::size_t>(i)).string(); }

 private:
  DatasetInfo info_;
  DecodeOptions decoding_;
  std::vector<fs::path> files_;
  std::vector<std::int32_t> labels_;
};

// "'train', 'test'": names alone, since all lie in one folder.
std::string list_names(std::vector<fs::path> paths) {
  for (fs::path& path : paths) path = path.filename();
  return list_paths(paths);
}

// Names of the splits' folders, in either case of letters. Of several names for one split, the
// first that exists is taken.
constexpr std::array<std::string_view, 1> kTrainNames{"train"};
constexpr std::array<std::string_view, 4> kTestNames{"test", "val", "valid", "validation"};

std::span<const std::string_view> names_of(Split split) {
  if (split == Split::train) return kTrainNames;
  return kTestNames;
}

// Empty where none of the folders has a name of the split.
fs::path find_split(const std::vector<fs::path>& folders, Split split) {
  for (const std::string_view name : names_of(split)) {
    std::vector<fs::path> found;
    std::ranges::copy_if(folders, std::back_inserter(found),
                         [&](const fs::path& folder) { return lower_name(folder) == name; });
    check<IoError>(found.size() < 2, found.empty() ? fs::path() : found[0].parent_path(), ": ",
                   list_names(found), " stand for one split; leave one of them");
    if (!found.empty()) return found[0];
  }
  return {};
}

bool is_split(const fs::path& folder) {
  return !find_split({folder}, Split::train).empty() || !find_split({folder}, Split::test).empty();
}

// A folder, and the images in it at any depth.
struct ClassFolder {
  fs::path path;
  std::vector<fs::path> images;
};

std::vector<ClassFolder> find_classes(const std::vector<fs::path>& folders,
                                      PassedOver& passed_over) {
  std::vector<ClassFolder> classes;
  for (const fs::path& folder : folders) {
    std::vector<fs::path> images = find_images(folder, passed_over);
    if (images.empty()) passed_over.add_folder(folder);
    else classes.push_back({.path = folder, .images = std::move(images)});
  }
  return classes;
}

// The folder that holds the split: a sub-folder of its name, or the folder itself where it has no
// sub-folders for splits. No other folder beside those may hold images: they would be left out, and
// a class named train would be taken for the whole data set.
fs::path split_folder(const fs::path& folder, Split split, PassedOver& passed_over) {
  PassedOver ignored;  // such as a README or a list of the classes
  const FolderContent content = read_folder(folder, ignored);
  std::vector<fs::path> splits, others;
  for (const fs::path& inner : content.folders) {
    (is_split(inner) ? splits : others).push_back(inner);
  }
  if (splits.empty()) {
    check<MissingSplit>(split == Split::train, folder.string(),
                        ": there is no test/ or val/ folder for the test split; to read the folder itself, "
                        "say split train");
    return folder;
  }
  std::vector<fs::path> unclear;
  for (const fs::path& other : others) {
    PassedOver within;  // images that this build cannot read are images
    const bool has_images = !find_images(other, within).empty() || within.has_images();
    if (has_images) unclear.push_back(other);
    else passed_over.add_folder(other);
  }
  check<IoError>(
      unclear.empty(), folder.string(), ": ", list_names(splits), " beside ", list_names(unclear),
      ": split or class? If it is a class, put all classes into a folder train/; if it is a "
      "split, move the others elsewhere");
  for (const fs::path& image : content.images) {
    passed_over.add(lower_name(image.extension()), concat("beside ", list_names(splits)));
  }
  fs::path found = find_split(splits, split);
  check<MissingSplit>(!found.empty(), folder.string(), ": there is ", list_names(splits), ", but no folder ",
                      split == Split::train ? "train/ for the training split" : "test/ or val/ for the test split");
  return found;
}

// Refuses a folder whose only class is a data set itself: an archive that was unpacked into a
// folder of its own.
void refuse_data_set_within(const ClassFolder& only) {
  PassedOver ignored;
  const std::vector<fs::path> inner = read_folder(only.path, ignored).folders;
  check<IoError>(find_split(inner, Split::train).empty() || find_split(inner, Split::test).empty(),
                 only.path.string(), ": the only class holds ", list_names(inner),
                 ": it is a data set itself; give this folder as the data set");
}

DatasetInfo describe(const DatasetOptions& options, const Normalization& normalization,
                     const std::vector<ClassFolder>& classes) {
  DatasetInfo info;
  info.kind = "folder";
  info.channels = options.channels == 0 ? 3 : options.channels;
  info.has_labels = !classes.empty();
  info.normalization = normalization.for_channels(info.channels);
  for (const ClassFolder& found : classes)
    info.class_names.push_back(found.path.filename().string());
  return info;
}

// Image files of the formats that this build reads, in the order of their names. Where the folder
// has train/ and test/ (or val/), the split is taken from there; nothing else with images may stand
// beside them. Sub-folders with images are classes, sorted by name; images directly in the folder
// have no labels. The data set's note says what was passed over. IoError when there are no images,
// when there are images both in the folder and in sub-folders, and what read_folder() refuses
// (image_files.h).
DatasetPtr open_image_folder(const DatasetOptions& options, const Format& format) {
  PassedOver passed_over;
  const fs::path folder = split_folder(options.path, options.split, passed_over);
  FolderContent content = read_folder(folder, passed_over);
  const std::vector<ClassFolder> classes = find_classes(content.folders, passed_over);
  std::vector<fs::path>& files = content.images;
  const std::string left_out =
      passed_over.empty() ? "" : concat("passed over ", passed_over.text());
  check<IoError>(!files.empty() || !classes.empty(), folder.string(), ": there are no images here",
                 left_out.empty() ? "" : ", ", left_out, "; this build reads ",
                 list_read_formats());
  check<IoError>(files.empty() || classes.empty(), folder.string(), ": there are ", files.size(),
                 " images beside sub-folders with images; keep either images without labels or one "
                 "sub-folder for each class");
  if (classes.size() == 1 && folder == options.path) refuse_data_set_within(classes[0]);

  DatasetInfo info = describe(options, format.normalization, classes);
  if (!left_out.empty()) info.notes.push_back(concat(folder.string(), ": ", left_out));
  std::vector<std::int32_t> labels;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const std::vector<fs::path>& members = classes[label].images;
    labels.insert(labels.end(), members.size(), static_cast<std::int32_t>(label));
    files.insert(files.end(), members.begin(), members.end());
  }
  const DecodeOptions decoding{.channels = info.channels, .exif_orientation = options.exif_orientation};
  return std::make_shared<ImageFolder>(std::move(info), decoding, std::move(files), std::move(labels));
}

}  // namespace

Format folder_format() {
  return {.kind = "folder",
          .statistics = "imagenet",
          .normalization = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}},
          .open = open_image_folder};
}

}  // namespace mec::formats
