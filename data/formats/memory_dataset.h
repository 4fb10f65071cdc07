// A data set of equally large images, all in memory.
#pragma once

#include "mec/data/dataset.h"

namespace mec {

class MemoryDataset : public Dataset {
 public:
  // pixels (N,H,W,C) with H, W, C from `info`; labels (N), or empty where there are none.
  // ShapeError when the sizes do not fit together, ValueError for a label below 0 or without a name
  // where classes have names.
  MemoryDataset(DatasetInfo info, std::vector<std::uint8_t> pixels, std::vector<std::int32_t> labels);

  const DatasetInfo& info() const override { return info_; }
  std::int64_t size() const override { return size_; }
  Image read(std::int64_t i) const override;
  std::int32_t label(std::int64_t i) const override;

 private:
  DatasetInfo info_;
  std::vector<std::uint8_t> pixels_;
  std::vector<std::int32_t> labels_;
  std::int64_t image_bytes_;
  std::int64_t size_;
};

}  // namespace mec
