// The file formats behind open_dataset(). Each opener takes a folder that holds its files.
#pragma once

#include "mec/data/dataset.h"

namespace mec::formats {

// Does the folder hold files of this format, for any split?
bool is_idx(const std::filesystem::path& folder);
bool is_cifar(const std::filesystem::path& folder, int classes);

// MNIST's format: train-images-idx3-ubyte, train-labels-idx1-ubyte, and t10k-… for the test split, each plain or .gz.
// IoError when one is missing, damaged, or has another number of entries than its partner.
DatasetPtr open_idx(const DatasetOptions& options);

// Binary CIFAR: data_batch_1.bin to data_batch_5.bin and test_batch.bin for 10 classes, train.bin and test.bin for 100,
// in the folder or in the one that the download unpacks to. IoError when one is missing or damaged.
DatasetPtr open_cifar(const DatasetOptions& options, int classes);

// JPEG and PNG files, in the order of their names. Where the folder has train/ and test/ (or val/), the split is taken
// from there. Sub-folders are classes, sorted by name; images directly in the folder have no labels. IoError when
// there are no images, a class has none, or there are both images and sub-folders.
DatasetPtr open_image_folder(const DatasetOptions& options);

}  // namespace mec::formats
