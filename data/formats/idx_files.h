// Finds the files of a data set in MNIST's format: archives and programs unpack them in several
// layouts.
#pragma once

#include <filesystem>

#include "mec/data/dataset.h"

namespace mec::formats {

struct IdxFiles {
  std::filesystem::path images, labels;
  bool transposed = false;  // EMNIST's: rows and columns exchanged
};

// The folder itself, or the one below it that torchvision and EMNIST's archive make (MNIST/raw/,
// FashionMNIST/raw/, raw/, gzip/); empty where none holds a file of the format. IoError where
// several do.
std::filesystem::path find_idx_folder(const std::filesystem::path& folder);

// The pair of a split in such a folder: [SET-]train-images-idx3-ubyte and
// [SET-]train-labels-idx1-ubyte, t10k- or test- for the test split; also with a dot before idx,
// packed as .gz, or in a folder of such a name. Plain files go before packed ones. IoError where
// one is missing, or the folder holds several sets.
IdxFiles find_idx_files(const std::filesystem::path& folder, Split split);

}  // namespace mec::formats
