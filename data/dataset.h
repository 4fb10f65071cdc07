// Data sets: numbered images, with labels or without.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mec/data/image.h"
#include "mec/data/normalization.h"

namespace mec {

struct DatasetInfo {
  std::string kind;  // "fashion-mnist", "folder", …
  int channels = 0;  // 1 or 3, of every image
  ImageSize size;    // {0, 0} when images differ
  bool has_labels = false;
  // Names of labels 0, 1, …; splits and data sets are compared by name. Empty without labels.
  std::vector<std::string> class_names;
  Normalization normalization;  // for `channels` channels
  // Messages for the user, such as which files were passed over; one line each.
  std::vector<std::string> notes = {};

  std::int64_t classes() const { return static_cast<std::int64_t>(class_names.size()); }
};

// All members may be called from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual const DatasetInfo& info() const = 0;
  virtual std::int64_t size() const = 0;
  // Image i in [0, size()). ValueError outside, IoError when its file is missing or damaged.
  virtual Image read(std::int64_t i) const = 0;
  // Class of image i. ValueError where there are no labels.
  virtual std::int32_t label(std::int64_t i) const = 0;
  // What people find image i by: the path of its file, or, of images in one file, its number there.
  virtual std::string name(std::int64_t i) const { return "image " + std::to_string(i); }
};
using DatasetPtr = std::shared_ptr<const Dataset>;

enum class Split : std::uint8_t { train, test };

// The images at `indices` of another data set, in that order. ValueError for an index outside it.
DatasetPtr make_subset(DatasetPtr dataset, std::vector<std::int64_t> indices);

// The numbers of `count` of `size` images, spread evenly; all of them where there are fewer.
std::vector<std::int64_t> spread(std::int64_t size, std::int64_t count);

// "train" or "test"; ValueError for another word.
Split parse_split(const std::string& name);

}  // namespace mec
