// What a network with a classifier says of images, in a file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "mec/eval/features.h"
#include "mec/nn/classifier.h"

namespace mec {

struct Predictions {
  std::vector<std::string> classes;
  std::vector<std::string> images;  // their names: paths of files, or numbers
  Tensor probabilities;             // (N,K) f32, on the host

  std::size_t best(std::int64_t image) const;  // the most probable class, of equal ones the first
};

// Softmax of the logits. `names`: of the stream's images. Errors as embed().
Predictions predict(const Classifier& classifier, const std::vector<std::string>& classes, const ImageStream& images,
                    std::vector<std::string> names, Dtype dtype);

// By the file's ending. .csv: image, class, probability, and a column for each class; .json: a list
// of objects with image, class and probabilities by class; .npy: the probabilities alone. Replaces
// the file as a whole. ValueError for another ending; IoError.
void write_predictions(const std::filesystem::path& path, const Predictions& predictions);
// ValueError for an ending that write_predictions() does not know.
void check_predictions_path(const std::filesystem::path& path);

}  // namespace mec
