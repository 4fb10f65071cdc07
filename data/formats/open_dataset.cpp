#include "mec/data/formats/open_dataset.h"

#include "mec/data/formats/formats.h"
#include "mec/data/formats/memory_dataset.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

namespace fs = std::filesystem;

// Images spread evenly: folders are sorted by class, so the first `limit` images would all be of
// one class.
DatasetPtr limited(const DatasetPtr& dataset, std::int64_t limit) {
  if (limit == 0 || limit >= dataset->size()) return dataset;
  return make_subset(dataset, spread(dataset->size(), limit));
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

const formats::Format& detect_format(const fs::path& folder) {
  const formats::Format *found = nullptr, *otherwise = nullptr;
  for (const formats::Format& format : formats::formats()) {
    if (!format.detect) otherwise = &format;
    if (!format.detect || !format.detect(folder)) continue;
    check<IoError>(!found, folder.string(), ": there are files of ", found ? found->kind : "", " and of ", format.kind,
                   "; name the kind of data set, or give the folder of one");
    found = &format;
  }
  return found ? *found : *otherwise;
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
    const formats::Format& format =
        options.kind == "auto" ? detect_format(options.path) : formats::find_format(options.kind);
    DatasetPtr dataset = format.open(options, format);
    check<IoError>(dataset->size() > 0 && dataset->size() <= formats::kMostImages,
                   "cannot open the data set '", options.path.string(), "': it has ",
                   dataset->size(), " images; there are at least 1 and at most ",
                   formats::kMostImages);
    return limited(with_channels(std::move(dataset), options.channels), options.limit);  // an image keeps its name
  } catch (const fs::filesystem_error& error) {  // a folder that may not be read
    throw IoError(concat("cannot open the data set '", options.path.string(), "': ", error.what()));
  }
}

}  // namespace mec
