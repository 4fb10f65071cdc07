#include "mec/data/formats/memory_dataset.h"

#include <algorithm>

#include "mec/tensor/error.h"

namespace mec {

MemoryDataset::MemoryDataset(DatasetInfo info, std::vector<std::uint8_t> pixels, std::vector<std::int32_t> labels)
    : info_(std::move(info)), pixels_(std::move(pixels)), labels_(std::move(labels)) {
  image_bytes_ = std::int64_t{info_.size.width} * info_.size.height * info_.channels;
  check<ShapeError>(image_bytes_ > 0, "MemoryDataset: images of ", info_.size.width, "x", info_.size.height, "x",
                    info_.channels, " have no pixels");
  const auto bytes = static_cast<std::int64_t>(pixels_.size());
  size_ = bytes / image_bytes_;
  check<ShapeError>(bytes % image_bytes_ == 0, "MemoryDataset: ", bytes, " bytes are not a whole number of images of ",
                    image_bytes_);
  const auto labelled = static_cast<std::int64_t>(labels_.size());
  check<ShapeError>(labelled == size_ || labelled == 0, "MemoryDataset: ", size_, " images, but ", labelled, " labels");
  info_.has_labels = labelled > 0;
  if (labels_.empty()) return;
  const auto [low, high] = std::ranges::minmax(labels_);
  const std::size_t classes = info_.class_names.size();
  check<ValueError>(low >= 0, "MemoryDataset: labels count from 0, but one is ", low);
  check<ValueError>(classes == 0 || static_cast<std::size_t>(high) < classes,
                    "MemoryDataset: a label is ", high, ", but only the ", classes,
                    " labels from 0 have class names");
}

Image MemoryDataset::read(std::int64_t i) const {
  check<ValueError>(i >= 0 && i < size_, "read: image ", i, " of a data set of ", size_);
  const auto begin = pixels_.begin() + i * image_bytes_;
  return {info_.size.width, info_.size.height, info_.channels, {begin, begin + image_bytes_}};
}

std::int32_t MemoryDataset::label(std::int64_t i) const {
  check<ValueError>(info_.has_labels, "label: this data set has no labels");
  check<ValueError>(i >= 0 && i < size_, "label: image ", i, " of a data set of ", size_);
  return labels_[static_cast<std::size_t>(i)];
}

}  // namespace mec
