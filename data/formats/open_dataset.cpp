#include "mec/data/formats/open_dataset.h"

#include "mec/data/formats/formats.h"
#include "mec/data/formats/memory_dataset.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

namespace fs = std::filesystem;

// Every size/limit-th image: folders are sorted by class, so the first ones would all be of one.
DatasetPtr limited(DatasetPtr dataset, std::int64_t limit) {
  if (limit == 0 || limit >= dataset->size()) return dataset;
  std::vector<std::int64_t> indices(static_cast<std::size_t>(limit));
  for (std::int64_t i = 0; i < limit; ++i) indices[static_cast<std::size_t>(i)] = i * dataset->size() / limit;
  return make_subset(std::move(dataset), std::move(indices));
}

DatasetPtr with_channels(DatasetPtr dataset, int channels) {
  if (channels == 0 || channels == dataset->info().channels) return dataset;
  DatasetInfo info = dataset->info();
  info.channels = channels;
  info.normalization = info.normalization.for_channels(channels);
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < dataset->size(); ++i) {
    const Image image = with_channels(dataset->read(i), channels);
    pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
    labels.push_back(dataset->label(i));
  }
  return std::make_shared<MemoryDataset>(std::move(info), std::move(pixels), std::move(labels));
}

std::string detect_kind(const fs::path& folder) {
  std::vector<std::string> kinds;
  if (formats::is_idx(folder)) kinds.push_back(formats::idx_kind(folder));
  if (formats::is_cifar(folder, 10)) kinds.emplace_back("cifar10");
  if (formats::is_cifar(folder, 100)) kinds.emplace_back("cifar100");
  if (kinds.size() > 1) {
    throw IoError(concat(folder.string(), ": there are files of ", kinds[0], " and of ", kinds[1],
                         "; name the kind of data set, or give the folder of one"));
  }
  return kinds.empty() ? "folder" : kinds[0];
}

DatasetPtr open_kind(const DatasetOptions& options) {
  if (options.kind == "mnist" || options.kind == "fashion-mnist") return formats::open_idx(options);
  if (options.kind == "cifar10") return formats::open_cifar(options, 10);
  if (options.kind == "cifar100") return formats::open_cifar(options, 100);
  if (options.kind == "folder") return formats::open_image_folder(options);
  throw ValueError(concat("open_dataset: no data set is of kind '", options.kind,
                          "'; there are auto, mnist, fashion-mnist, cifar10, cifar100 and folder"));
}

}  // namespace

DatasetPtr open_dataset(const DatasetOptions& options) {
  check<ValueError>(options.channels == 0 || options.channels == 1 || options.channels == 3,
                    "open_dataset: channels are 1, 3 or 0 (as stored), not ", options.channels);
  check<ValueError>(options.limit >= 0, "open_dataset: the limit is not negative, but it is ", options.limit);
  try {
    check<IoError>(!fs::is_regular_file(options.path), "cannot open the data set '",
                   options.path.string(), "': it is a file; unpack it, and give the folder");
    check<IoError>(fs::is_directory(options.path), "cannot open the data set '", options.path.string(),
                   "': there is no such folder");
    DatasetOptions found = options;
    if (options.kind == "auto") found.kind = detect_kind(options.path);
    DatasetPtr dataset = open_kind(found);
    check<IoError>(dataset->size() > 0 && dataset->size() <= formats::kMostImages,
                   "cannot open the data set '", options.path.string(), "': it has ",
                   dataset->size(), " images; there are at least 1 and at most ",
                   formats::kMostImages);
    return with_channels(limited(std::move(dataset), options.limit), options.channels);
  } catch (const fs::filesystem_error& error) {  // a folder that may not be read
    throw IoError(concat("cannot open the data set '", options.path.string(), "': ", error.what()));
  }
}

}  // namespace mec
