// The file formats behind open_dataset(). Each opener takes a folder that holds its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

#include "mec/data/formats/open_dataset.h"

namespace mec::formats {

// More images than labels, indices and neighbours can number are refused.
constexpr std::int64_t kMostImages = std::numeric_limits<std::int32_t>::max();

// Does the folder hold files of this format, for any split?
bool is_idx(const std::filesystem::path& folder);
bool is_cifar(const std::filesystem::path& folder, int classes);

// "fashion-mnist" or "mnist", by the names of the folders that the files lie in.
std::string idx_kind(const std::filesystem::path& folder);

// The pair of files that find_idx_files() finds (idx_files.h). IoError when one is missing, damaged, or
// has another number of entries than its partner.
DatasetPtr open_idx(const DatasetOptions& options);

// Binary CIFAR: data_batch_1.bin to data_batch_5.bin and test_batch.bin for 10 classes, train.bin and
// test.bin for 100 (of its two labels the fine one), in the folder or in the one that the download
// unpacks to. IoError when one is missing or damaged.
DatasetPtr open_cifar(const DatasetOptions& options, int classes);

// Image files of the formats that this build reads, in the order of their names. Where the folder has
// train/ and test/ (or val/), the split is taken from there; nothing else with images may stand beside
// them. Sub-folders with images are classes, sorted by name; images directly in the folder have no
// labels. The data set's note says what was passed over. IoError when there are no images, when there
// are images both in the folder and in sub-folders, and what read_folder() refuses (image_files.h).
DatasetPtr open_image_folder(const DatasetOptions& options);

}  // namespace mec::formats
