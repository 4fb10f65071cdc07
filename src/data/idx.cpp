#include <algorithm>
#include <array>
#include <limits>

#include "mec/data/formats.h"
#include "mec/data/gzip.h"
#include "mec/data/memory_dataset.h"
#include "mec/tensor/error.h"

namespace mec::formats {
namespace {

namespace fs = std::filesystem;

struct IdxFile {
  std::vector<std::int64_t> dims;
  std::vector<std::uint8_t> values;
};

// Finds train-images-idx3-ubyte, also as train-images.idx3-ubyte, plain or packed; an empty path when there is none.
fs::path find_idx(const fs::path& folder, Split split, const char* what, int rank) {
  const std::string stem = concat(split == Split::train ? "train-" : "t10k-", what);
  for (const char* dot : {"-", "."}) {
    for (const char* packed : {"", ".gz"}) {
      fs::path path = folder / concat(stem, dot, "idx", rank, "-ubyte", packed);
      if (fs::exists(path)) return path;
    }
  }
  return {};
}

fs::path require_idx(const fs::path& folder, Split split, const char* what, int rank) {
  fs::path path = find_idx(folder, split, what, rank);
  check<IoError>(!path.empty(), folder.string(), ": there is no ", split == Split::train ? "train-" : "t10k-", what, "-idx",
                 rank, "-ubyte, plain or .gz");
  return path;
}

// Magic 00 00 08 <rank>, then `rank` big-endian sizes, then unsigned bytes (yann.lecun.com/exdb/mnist).
IdxFile read_idx(const fs::path& path, int rank) {
  std::vector<std::uint8_t> content = read_maybe_gzip(path);
  check<IoError>(content.size() >= 4, path.string(), ": the file is truncated: it has ", content.size(), " bytes");
  check<IoError>(content[0] == 0 && content[1] == 0 && content[2] == 8 && content[3] == rank, path.string(),
                 ": wrong magic: expected 0,0,8,", rank, " (unsigned bytes in ", rank, " dimensions), but found ",
                 int{content[0]}, ",", int{content[1]}, ",", int{content[2]}, ",", int{content[3]});
  const std::size_t header = 4 + 4 * static_cast<std::size_t>(rank);
  check<IoError>(content.size() >= header, path.string(), ": the file is truncated: the IDX header takes ", header,
                 " bytes, but there are ", content.size());

  IdxFile file;
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
  check<IoError>(content.size() - header == bytes, path.string(), ": the IDX header announces ", bytes,
                 " bytes of data, but the file has ", content.size() - header,
                 content.size() - header < bytes ? ": it is truncated" : "");
  content.erase(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(header));
  file.values = std::move(content);
  return file;
}

std::vector<std::string> class_names(const std::string& kind, const std::vector<std::uint8_t>& labels) {
  static constexpr std::array<const char*, 10> kFashion{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                        "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  const int classes = std::max(10, *std::max_element(labels.begin(), labels.end()) + 1);
  std::vector<std::string> names;
  for (int i = 0; i < classes; ++i) {
    const bool named = kind == "fashion-mnist" && classes == 10;
    names.push_back(named ? kFashion[static_cast<std::size_t>(i)] : std::to_string(i));
  }
  return names;
}

}  // namespace

bool is_idx(const fs::path& folder) {
  return !find_idx(folder, Split::train, "images", 3).empty() || !find_idx(folder, Split::test, "images", 3).empty();
}

DatasetPtr open_idx(const DatasetOptions& options) {
  const fs::path images_path = require_idx(options.path, options.split, "images", 3);
  const fs::path labels_path = require_idx(options.path, options.split, "labels", 1);
  IdxFile images = read_idx(images_path, 3);
  const IdxFile labels = read_idx(labels_path, 1);
  check<IoError>(images.dims[0] == labels.dims[0], images_path.string(), " has ", images.dims[0], " images, but ",
                 labels_path.string(), " has ", labels.dims[0], " labels");

  check<IoError>(std::max(images.dims[1], images.dims[2]) <= std::numeric_limits<std::int32_t>::max(), images_path.string(),
                 ": images of ", images.dims[2], "x", images.dims[1], " are too large");
  DatasetInfo info;
  info.kind = options.kind;
  info.channels = 1;
  info.size = {static_cast<int>(images.dims[2]), static_cast<int>(images.dims[1])};
  info.class_names = class_names(options.kind, labels.values);
  info.normalization = normalization_preset(options.kind);
  return std::make_shared<MemoryDataset>(std::move(info), std::move(images.values),
                                         std::vector<std::int32_t>(labels.values.begin(), labels.values.end()));
}

}  // namespace mec::formats
