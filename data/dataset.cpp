#include "mec/data/dataset.h"

#include <algorithm>

#include "mec/tensor/error.h"

namespace mec {
namespace {

class Subset : public Dataset {
 public:
  Subset(DatasetPtr dataset, std::vector<std::int64_t> indices) : dataset_(std::move(dataset)), indices_(std::move(indices)) {
    for (const auto index : indices_) {
      check<ValueError>(index >= 0 && index < dataset_->size(), "make_subset: image ", index, " of a data set of ",
                        dataset_->size());
    }
  }

  const DatasetInfo& info() const override { return dataset_->info(); }
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  Image read(std::int64_t i) const override { return dataset_->read(at(i)); }
  std::int32_t label(std::int64_t i) const override { return dataset_->label(at(i)); }
  std::string name(std::int64_t i) const override { return dataset_->name(at(i)); }

 private:
  std::int64_t at(std::int64_t i) const {
    check<ValueError>(i >= 0 && i < size(), "image ", i, " of a subset of ", size());
    return indices_[static_cast<std::size_t>(i)];
  }

  DatasetPtr dataset_;
  std::vector<std::int64_t> indices_;
};

}  // namespace

DatasetPtr make_subset(DatasetPtr dataset, std::vector<std::int64_t> indices) {
  check<ValueError>(dataset != nullptr, "make_subset: there is no data set");
  return std::make_shared<Subset>(std::move(dataset), std::move(indices));
}

std::vector<std::int64_t> spread(std::int64_t size, std::int64_t count) {
  const std::int64_t taken = std::min(size, count);
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < taken; ++i) numbers.push_back(i * size / taken);
  return numbers;
}

Split parse_split(const std::string& name) {
  if (name == "train") return Split::train;
  if (name == "test") return Split::test;
  throw ValueError(concat("a data set has the splits train and test, not '", name, "'"));
}

}  // namespace mec
