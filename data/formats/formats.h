// The table of data sets that open_dataset() knows.
//
// A format is one file, formats/<name>.cpp, and one line of the table in formats.cpp. It opens a
// folder that holds its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "mec/data/formats/open_dataset.h"

namespace mec::formats {

struct Format {
  std::string kind;             // as data.kind and --kind name it
  // The name, in --normalization, of the mean and deviation published for its training set.
  std::string statistics;
  Normalization normalization;  // that mean and deviation
  // Whether a folder holds files of this format, for any split. Null in the format that is taken
  // where no other one detects its files.
  bool (*detect)(const std::filesystem::path& folder) = nullptr;
  // IoError when files are missing or damaged, or do not belong together.
  DatasetPtr (*open)(const DatasetOptions& options, const Format& itself) = nullptr;
};

const std::vector<Format>& formats();
// ValueError, naming all kinds, for an unknown one.
const Format& find_format(const std::string& kind);

// Labels, indices and neighbours are 32-bit numbers; a larger data set is refused.
constexpr std::int64_t kMostImages = std::numeric_limits<std::int32_t>::max();

}  // namespace mec::formats
