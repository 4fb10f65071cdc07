#include <algorithm>
#include <fstream>

#include "mec/data/formats.h"
#include "mec/data/memory_dataset.h"
#include "mec/tensor/error.h"
#include "mec/tensor/io/input_file.h"

namespace mec::formats {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 32;
constexpr std::size_t kPlane = kSide * kSide;

std::vector<std::string> file_names(Split split, int classes) {
  if (classes == 100) return {split == Split::train ? "train.bin" : "test.bin"};
  if (split == Split::test) return {"test_batch.bin"};
  std::vector<std::string> names;
  for (int i = 1; i <= 5; ++i) names.push_back(concat("data_batch_", i, ".bin"));
  return names;
}

// The folder itself, or the one that the downloaded archive unpacks to; empty when neither holds a file of the format.
fs::path find_folder(const fs::path& folder, int classes) {
  const fs::path unpacked = folder / (classes == 100 ? "cifar-100-binary" : "cifar-10-batches-bin");
  for (const auto& candidate : {folder, unpacked}) {
    for (const Split split : {Split::train, Split::test}) {
      for (const auto& name : file_names(split, classes)) {
        if (fs::exists(candidate / name)) return candidate;
      }
    }
  }
  return {};
}

// One name a line, as in batches.meta.txt and fine_label_names.txt; plain numbers where the file is missing.
std::vector<std::string> class_names(const fs::path& folder, int classes) {
  std::ifstream file(folder / (classes == 100 ? "fine_label_names.txt" : "batches.meta.txt"));
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() == static_cast<std::size_t>(classes)) return names;
  names.clear();
  for (int i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  return names;
}

// Records of a label (for 100 classes the coarse one, then the fine one, which is ours) and three planes: (C,H,W).
void append_batch(const fs::path& path, int classes, std::vector<std::uint8_t>& pixels, std::vector<std::int32_t>& labels) {
  const std::size_t label_bytes = classes == 100 ? 2 : 1;
  const std::size_t record = label_bytes + 3 * kPlane;
  const std::vector<std::uint8_t> content = read_file(path);
  check<IoError>(!content.empty() && content.size() % record == 0, path.string(), ": ", content.size(),
                 " bytes are not a whole number of CIFAR-", classes, " records of ", record,
                 ": the file is truncated or of another kind");
  for (std::size_t at = 0; at < content.size(); at += record) {
    const std::uint8_t label = content[at + label_bytes - 1];
    check<IoError>(label < classes, path.string(), ": record ", at / record, " has label ", int{label}, ", but there are ",
                   classes, " classes");
    labels.push_back(label);
    const std::uint8_t* planes = &content[at + label_bytes];
    for (std::size_t i = 0; i < kPlane; ++i) {
      pixels.insert(pixels.end(), {planes[i], planes[kPlane + i], planes[2 * kPlane + i]});
    }
  }
}

}  // namespace

bool is_cifar(const fs::path& folder, int classes) { return !find_folder(folder, classes).empty(); }

DatasetPtr open_cifar(const DatasetOptions& options, int classes) {
  const fs::path folder = find_folder(options.path, classes);
  check<IoError>(!folder.empty(), options.path.string(), ": there are no CIFAR-", classes, " files (",
                 file_names(options.split, classes).front(), ", …) in the binary version");
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (const auto& name : file_names(options.split, classes)) append_batch(folder / name, classes, pixels, labels);

  DatasetInfo info;
  info.kind = concat("cifar", classes);
  info.channels = 3;
  info.size = {kSide, kSide};
  info.class_names = class_names(folder, classes);
  info.normalization = normalization_preset(info.kind);
  return std::make_shared<MemoryDataset>(std::move(info), std::move(pixels), std::move(labels));
}

}  // namespace mec::formats
