// Embeddings in npy files, and the gradients written beside them.
#pragma once

#include <string>

#include "mec/tensor/tensor.h"

namespace mec::cli {

struct EmbeddingPaths {
  std::string p, z;            // read
  std::string grad_p, grad_z;  // written, where not empty
};

struct Embeddings {
  Tensor values;  // (m,d) f64, so that many digits of the results are right
  Dtype dtype;    // of the file
};

// An f32 or f64 matrix of finite numbers; DtypeError, ShapeError or ValueError, naming the file,
// otherwise.
Embeddings read_embeddings(const std::string& path, const Device& device);

struct EmbeddingPair {
  Embeddings p, z;
};
// ShapeError unless both have one size; UsageError where the two gradients name one file.
EmbeddingPair read_pair(const EmbeddingPaths& paths, const Device& device);

// Writes both files or neither: both are complete before the first is put in place. Each has the
// dtype of its input file.
void write_gradients(const EmbeddingPaths& paths, const EmbeddingPair& pair, const Tensor& dp, const Tensor& dz);

}  // namespace mec::cli
