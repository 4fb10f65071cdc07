// Data sets in binary files.
#include "fuzz/targets.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/data/gzip.h"

namespace mec::fuzz {
namespace {

void read_ends(const DatasetOptions& options) {
  const DatasetPtr dataset = open_dataset(options);
  for (const std::int64_t i : {std::int64_t{0}, dataset->size() - 1}) {
    dataset->read(i);
    if (dataset->info().has_labels) dataset->label(i);
  }
}

}  // namespace

// The images' file, then that of the labels; either may be packed.
void idx(Bytes bytes) {
  const auto [images, labels] = split(bytes);
  put("mnist/train-images-idx3-ubyte", images);
  const auto path = put("mnist/train-labels-idx1-ubyte", labels);
  read_ends({.path = path.parent_path(), .kind = "mnist"});
}

void gzip(Bytes bytes) { read_maybe_gzip(put("packed", bytes)); }

// The names of the classes, then the records; ten classes where the names have an even length.
void cifar(Bytes bytes) {
  const auto [names, records] = split(bytes);
  const bool ten = names.size() % 2 == 0;
  put(ten ? "cifar10/batches.meta.txt" : "cifar100/fine_label_names.txt", names);
  const auto path = put(ten ? "cifar10/test_batch.bin" : "cifar100/test.bin", records);
  read_ends({.path = path.parent_path(), .kind = ten ? "cifar10" : "cifar100", .split = Split::test});
}

}  // namespace mec::fuzz
