// Hugging Face's safetensors: an eight-byte length, a JSON header, and the tensors' bytes without a gap.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::vector<NamedTensor> tensors;  // in the order of their bytes in the file

  // The tensor of that name, or nullptr.
  const Tensor* find(const std::string& name) const;
};

// F32, BF16, F64, U8, I32 and I64. IoError for another type, a header that is damaged or above the format's 100 MB,
// offsets that overlap, leave a hole or pass the end, and a truncated file.
SafetensorsFile read_safetensors(const std::filesystem::path& path, const Device& device);

// The metadata alone, without reading a tensor: what a file says of itself.
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

// Replaces the file atomically. Tensors keep their order, except that wider elements come first, as Python's writer
// has it: every tensor is then aligned to its elements. ValueError for two tensors of one name or the name __metadata__.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& content);

}  // namespace mec
