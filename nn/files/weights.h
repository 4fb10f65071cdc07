// Weights in safetensors files that PyTorch users can exchange: torchvision's names, convolutions
// as OIHW.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mec/nn/module.h"

namespace mec {

// Parameters and buffers of the module, in its order; each batch norm also gets PyTorch's
// `num_batches_tracked`, which load_state_dict(strict=True) asks for, as 0. IoError when the file
// cannot be written; it is replaced as a whole or not at all.
void save_weights(const std::filesystem::path& path, Module& module, const std::map<std::string, std::string>& metadata = {});

struct LoadOptions {
  // What comes before the module's names in the file: "backbone.". Not set: the prefix after which
  // most of those names are found. It has to be given where two networks in the file fit equally
  // well.
  std::optional<std::string> prefix = {};
  // The module's name for a name behind the prefix, where it is another (foreign_encoder.h).
  std::map<std::string, std::string> renamed = {};
  // A negative count of batches is refused, as a sign of damage. Without, counts are not read.
  bool check_counters = true;
};
struct LoadReport {
  std::string prefix;  // removed from the file's names
  // Names in the file that are another network's: a classifier's, say.
  std::vector<std::string> left_out;
};

// Fills every parameter and buffer from the file. Floats of other types are converted, and
// num_batches_tracked is not needed. Names under another prefix are left out, and so are names that
// begin unlike any of the module's: "fc." is left out, but "layer5." is like "layer4." and an
// error. IoError counts what is missing, unknown, misshapen or not floating, with examples, or
// names a value that no network can have (weight_values.h); then nothing has been changed.
LoadReport load_weights(const std::filesystem::path& path, Module& module, const LoadOptions& options = {});

}  // namespace mec
