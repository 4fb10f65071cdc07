// Weights of a ResNet that another library trained, made an encoder's file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "mec/data/normalization.h"
#include "mec/nn/files/weights_info.h"

namespace mec {

// Of each channel, of pixels in [0, 1].
struct PixelStatistics {
  std::vector<double> mean, std;
};
// The same to the digits that the floats are written with.
PixelStatistics statistics_of(const Normalization& normalization);

struct ImportOptions {
  // Where these are not given, what the file says of itself, if mec wrote it; else: the encoder
  // that is no momentum copy (find_encoder()), 224 pixels or, with the CIFAR stem, 32, and
  // ImageNet's.
  std::optional<std::string> prefix = {};
  std::optional<std::int64_t> image_size = {};
  std::optional<PixelStatistics> normalization = {};
};

// Tensors of the file that belong together: "layer1", "module.projector".
struct ImportGroup {
  std::string name;
  std::size_t tensors = 0;
  std::int64_t numbers = 0;
  std::string types;           // "F16", "F16 I64"
  bool other_encoder = false;  // a momentum copy, or one that was not chosen
};

struct ImportReport {
  WeightsInfo info;
  // Neither the options nor the file said them.
  bool assumed_size = false, assumed_normalization = false;
  // Strides, pools and epsilon, which have no tensors: a file that is not of mec does not say them.
  bool assumed_layers = false;
  std::string prefix;  // taken off the names
  std::vector<ImportGroup> taken, left_out;
};

// Writes the encoder that `from`, a safetensors file, holds to `to`, as save_weights() does: in
// f32, which has every value of f16 and bf16. IoError where there is no encoder or more than one,
// and for weights that are missing, misshapen, unknown or not finite; then nothing is written.
// ValueError for a normalisation that does not fit the channels or is of pixels of 0 to 255, an
// image size out of range, and where both paths are one file.
ImportReport import_encoder(const std::filesystem::path& from, const std::filesystem::path& to,
                            const ImportOptions& options = {});

}  // namespace mec
