// A data set from the files of a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "mec/data/dataset.h"
#include "mec/tensor/error.h"

namespace mec {

struct DatasetOptions {
  std::filesystem::path path;
  std::string kind = "auto";  // or another of data_kinds()
  Split split = Split::train;
  std::int64_t limit = 0;  // at most so many images, spread evenly over the data set; 0 takes all
  int channels = 0;        // 1 or 3; 0 takes what is stored (3 from image folders)
  bool exif_orientation = false;  // image files stand upright as their cameras noted, not as stored
};

// A data set has no files for the split, but for the other one.
struct MissingSplit : IoError {
  using IoError::IoError;
};

// Opens a folder of IDX files (plain or gzip), of CIFAR's binary batches, or of image files, in the
// layouts of docs/data.md. "auto" goes by the names of files and folders. IoError when the folder
// holds no known format, or more than one; MissingSplit where it holds the other split alone.
DatasetPtr open_dataset(const DatasetOptions& options);
std::string data_kinds();  // "auto, mnist, … and folder"

// Published statistics of a training set: "mnist", "fashion-mnist", "cifar10", "cifar100" or
// "imagenet". ValueError lists these for another name.
Normalization normalization_preset(const std::string& name);
std::string normalization_presets();  // "mnist, … and imagenet"

}  // namespace mec
