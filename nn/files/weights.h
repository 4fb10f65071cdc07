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
void save_weights(const std::filesystem::path& path, Module& module,
                  const std::map<std::string, std::string>& metadata = {});

struct LoadOptions {
  // What comes before the module's names in the file: "backbone.". None: the one under which most
  // of them are found. Where two networks in the file fit alike, it has to be given.
  std::optional<std::string> prefix = {};
};
struct LoadReport {
  std::string prefix;  // that was taken off
  // Names in the file that are another network's: a classifier's, say.
  std::vector<std::string> left_out;
};

// Fills every parameter and buffer from the file. Floats of other types are converted, and
// num_batches_tracked is not needed. Names under another prefix, and those that begin with no part
// of the module ("fc."; but "layer5." is like "layer4."), are left out. IoError counts what is
// missing, unknown, misshapen or not floating, with examples, or names a value that no network can
// have (weight_values.h); then nothing has been changed.
LoadReport load_weights(const std::filesystem::path& path, Module& module,
                        const LoadOptions& options = {});

}  // namespace mec
