#include <algorithm>
#include <fstream>
#include <set>

#include "mec/data/formats/file_names.h"
#include "mec/data/formats/formats.h"
#include "mec/data/formats/memory_dataset.h"
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

bool holds(const fs::path& folder, const std::vector<std::string>& names) {
  return std::ranges::any_of(names,
                             [&](const std::string& name) { return fs::exists(folder / name); });
}

// Where the files lie; empty where there are none.
fs::path find_folder(const fs::path& folder, int classes) {
  return find_data_folder(folder, {"cifar"}, [classes](const fs::path& at) {
    return holds(at, file_names(Split::train, classes)) ||
           holds(at, file_names(Split::test, classes));
  });
}

// The version for Python: data_batch_1, …, or train and test beside meta, without extensions.
bool is_pickled(const fs::path& folder, int classes) {
  return !find_data_folder(folder, {"cifar"}, [classes](const fs::path& at) {
            const char* const batch = classes == 100 ? "train" : "data_batch_1";
            const char* const names = classes == 100 ? "meta" : "batches.meta";
            return fs::is_regular_file(at / batch) && fs::is_regular_file(at / names);
          }).empty();
}

// One name a line, as in batches.meta.txt and fine_label_names.txt; plain numbers where the file is
// missing, or does not tell the classes apart.
std::vector<std::string> class_names(const fs::path& folder, int classes) {
  std::ifstream file(folder / (classes == 100 ? "fine_label_names.txt" : "batches.meta.txt"));
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  const std::set<std::string> different(names.begin(), names.end());
  if (names.size() == static_cast<std::size_t>(classes) && different.size() == names.size())
    return names;
  names.clear();
  for (int i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  return names;
}

// Records of a label (for 100 classes the coarse one, then the fine one, which is ours) and three
// planes: (C,H,W).
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

template <int classes> bool is_cifar(const fs::path& folder) {
  return !find_folder(folder, classes).empty() || is_pickled(folder, classes);
}

// Binary CIFAR: data_batch_1.bin to data_batch_5.bin and test_batch.bin for 10 classes, train.bin
// and test.bin for 100 (of its two labels the fine one), in the folder or in the one that the
// download unpacks to. IoError when one is missing or damaged.
template <int classes> DatasetPtr open_cifar(const DatasetOptions& options, const Format& format) {
  const fs::path folder = find_folder(options.path, classes);
  check<IoError>(!folder.empty() || !is_pickled(options.path, classes), options.path.string(),
                 ": these are CIFAR-", classes,
                 "'s files for Python (pickles), which mec does not read; "
                 "unpack cifar-",
                 classes, "-binary.tar.gz, from the same page, in their place");
  check<IoError>(!folder.empty(), options.path.string(), ": there are no CIFAR-", classes, " files (",
                 file_names(options.split, classes).front(), ", …) in the binary version");
  check<MissingSplit>(holds(folder, file_names(options.split, classes)), folder.string(), ": there is no ",
                      file_names(options.split, classes).front());
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (const auto& name : file_names(options.split, classes)) append_batch(folder / name, classes, pixels, labels);

  DatasetInfo info;
  info.kind = format.kind;
  info.channels = 3;
  info.size = {kSide, kSide};
  info.class_names = class_names(folder, classes);
  info.normalization = format.normalization;
  return std::make_shared<MemoryDataset>(std::move(info), std::move(pixels), std::move(labels));
}

}  // namespace

Format cifar10_format() {
  return {.kind = "cifar10",
          .statistics = "cifar10",
          .normalization = {{0.4914F, 0.4822F, 0.4465F}, {0.2470F, 0.2435F, 0.2616F}},
          .detect = is_cifar<10>,
          .open = open_cifar<10>};
}

Format cifar100_format() {
  return {.kind = "cifar100",
          .statistics = "cifar100",
          .normalization = {{0.5071F, 0.4865F, 0.4409F}, {0.2673F, 0.2564F, 0.2762F}},
          .detect = is_cifar<100>,
          .open = open_cifar<100>};
}

}  // namespace mec::formats
