// Weights in safetensors files that PyTorch users can exchange: torchvision's names, convolutions as OIHW.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "mec/nn/module.h"

namespace mec {

// Parameters and buffers of the module, in its order; each batch norm also gets PyTorch's `num_batches_tracked`, which
// load_state_dict(strict=True) asks for, as 0. IoError when the file cannot be written; it is replaced as a whole or not at
// all.
void save_weights(const std::filesystem::path& path, Module& module, const std::map<std::string, std::string>& metadata = {});

struct LoadOptions {
  std::vector<std::string> leave_out = {"fc."};  // names in the file that may have no place here: by default a classifier's
};
struct LoadReport {
  std::vector<std::string> left_out;  // names that were
};

// Fills every parameter and buffer from the file; other floating dtypes are converted, num_batches_tracked is not needed.
// IoError lists every name that is missing, unknown, misshapen or not floating, and then nothing has been changed.
LoadReport load_weights(const std::filesystem::path& path, Module& module, const LoadOptions& options = {});

}  // namespace mec
