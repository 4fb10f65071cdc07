#include <algorithm>
#include <array>
#include <limits>

#include "mec/data/formats/file_names.h"
#include "mec/data/formats/formats.h"
#include "mec/data/formats/idx_files.h"
#include "mec/data/formats/memory_dataset.h"
#include "mec/data/gzip.h"
#include "mec/tensor/error.h"

namespace mec::formats {
namespace {

namespace fs = std::filesystem;

struct IdxArray {
  std::vector<std::int64_t> dims;
  std::vector<std::uint8_t> values;
};

// Magic 00 00 08 <rank>, then `rank` big-endian sizes, then unsigned bytes
// (yann.lecun.com/exdb/mnist).
IdxArray read_idx(const fs::path& path, int rank) {
  std::vector<std::uint8_t> content = read_maybe_gzip(path);
  check<IoError>(content.size() >= 4, path.string(), ": the file is truncated: it has ", content.size(), " bytes");
  check<IoError>(content[0] == 0 && content[1] == 0 && content[2] == 8 && content[3] == rank, path.string(),
                 ": wrong magic: expected 0,0,8,", rank, " (unsigned bytes in ", rank, " dimensions), but found ",
                 int{content[0]}, ",", int{content[1]}, ",", int{content[2]}, ",", int{content[3]});
  const std::size_t header = 4 + 4 * static_cast<std::size_t>(rank);
  check<IoError>(content.size() >= header, path.string(), ": the file is truncated: the IDX header takes ", header,
                 " bytes, but there are ", content.size());

  IdxArray file;
  std::uint64_t bytes = 1;
  for (int i = 0; i < rank; ++i) {
    const std::uint8_t* at = &content[4 + 4 * static_cast<std::size_t>(i)];
    const std::uint32_t size = std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
    check<IoError>(size > 0, path.string(), ": dimension ", i, " of the IDX file is 0: it has no ",
                   i == 0 ? "entries" : "pixels");
    check<IoError>(bytes <= std::numeric_limits<std::int64_t>::max() / std::uint64_t{size}, path.string(),
                   ": the sizes in the IDX header are too large for any file");
    bytes *= size;
    file.dims.push_back(size);
  }
  check<IoError>(file.dims[0] <= kMostImages, path.string(), ": the IDX header announces ",
                 file.dims[0], " entries, but a data set has at most ", kMostImages);
  check<IoError>(content.size() - header == bytes, path.string(), ": the IDX header announces ", bytes,
                 " bytes of data, but the file has ", content.size() - header,
                 content.size() - header < bytes ? ": it is truncated" : "");
  content.erase(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(header));
  file.values = std::move(content);
  return file;
}

// Names for the labels 0 to 9, and for larger labels up to the largest that occurs.
std::vector<std::string> class_names(const Format& format,
                                     const std::vector<std::uint8_t>& labels) {
  static constexpr std::array<const char*, 10> kFashion{
      "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
      "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  const std::size_t largest = *std::max_element(labels.begin(), labels.end());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::max(kFashion.size(), largest + 1); ++i) {
    const bool named = format.kind == "fashion-mnist" && i < kFashion.size();
    names.push_back(named ? kFashion.at(i) : std::to_string(i));
  }
  return names;
}

// The innermost folder whose name contains "mnist" or "fashion" decides: ~/fashion/mnist/ is MNIST.
bool is_fashion(const fs::path& found) {
  const fs::path path = fs::absolute(found);
  for (fs::path at = path; at.has_relative_path(); at = at.parent_path()) {
    const std::string name = lower_name(at);
    if (name.find("fashion") != std::string::npos) return true;
    if (name.find("mnist") != std::string::npos) return false;
  }
  return false;
}

// The pair of files that find_idx_files() finds (idx_files.h). IoError when one is missing,
// damaged, or has another number of entries than its partner.
DatasetPtr open_idx(const DatasetOptions& options, const Format& format) {
  const fs::path found = find_idx_folder(options.path);
  const IdxFiles files = find_idx_files(found.empty() ? options.path : found, options.split);
  IdxArray images = read_idx(files.images, 3);
  const IdxArray labels = read_idx(files.labels, 1);
  check<IoError>(images.dims[0] == labels.dims[0], files.images.string(), " has ", images.dims[0],
                 " images, but ", files.labels.string(), " has ", labels.dims[0], " labels");

  check<IoError>(
      std::max(images.dims[1], images.dims[2]) <= std::numeric_limits<std::int32_t>::max(),
      files.images.string(), ": images of ", images.dims[2], "x", images.dims[1], " are too large");
  DatasetInfo info;
  info.kind = format.kind;
  info.channels = 1;
  info.size = {static_cast<int>(images.dims[2]), static_cast<int>(images.dims[1])};
  info.class_names = class_names(format, labels.values);
  info.normalization = format.normalization;
  if (files.transposed) {
    info.notes.push_back(concat(files.images.string(),
                                ": EMNIST stores its images with rows and columns "
                                "exchanged; they are read as they are stored"));
  }
  return std::make_shared<MemoryDataset>(
      std::move(info), std::move(images.values),
      std::vector<std::int32_t>(labels.values.begin(), labels.values.end()));
}

// Whether the folder holds IDX files, of Fashion-MNIST or of another.
template <bool fashion> bool is_idx(const fs::path& folder) {
  const fs::path found = find_idx_folder(folder);
  return !found.empty() && is_fashion(found) == fashion;
}

}  // namespace

Format mnist_format() {
  return {.kind = "mnist",
          .statistics = "mnist",
          .normalization = {{0.1307F}, {0.3081F}},
          .detect = is_idx<false>,
          .open = open_idx};
}

Format fashion_mnist_format() {
  return {.kind = "fashion-mnist",
          .statistics = "fashion-mnist",
          .normalization = {{0.2860F}, {0.3530F}},
          .detect = is_idx<true>,
          .open = open_idx};
}

}  // namespace mec::formats
