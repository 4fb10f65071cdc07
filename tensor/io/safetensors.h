// Hugging Face's safetensors: an eight-byte length, a JSON header, and the tensors' bytes without a
// gap.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mec/tensor/io/elements.h"
#include "mec/tensor/io/input_file.h"
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

// What the header says of a tensor.
struct SafetensorsEntry {
  std::string name;
  std::string type;  // "F32", "BF16", "F8_E4M3", …
  std::optional<Element>
      element;  // of values that can be read; none for complex numbers and floats below two bytes
  std::vector<std::int64_t> sizes;
  std::uint64_t begin = 0, end = 0;  // its bytes, from the end of the header
};
std::string shape_text(const SafetensorsEntry& entry);  // "(8,3,3,3)", of any rank

// A file whose header has been read; the tensors are read one by one, as they are asked for.
class SafetensorsReader {
 public:
  // Accepts what Python's safetensors accepts, but for two entries of one name, which the format
  // forbids. IoError for a header that is damaged or above the format's 100 MB, offsets that
  // overlap, leave a hole or pass the end, and a truncated file; where the file is of another
  // format, it is named.
  explicit SafetensorsReader(const std::filesystem::path& path);

  const std::string& file() const { return file_.name(); }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<SafetensorsEntry>& entries() const {
    return entries_;
  }  // in the order of their bytes
  // In the type that dtype_of() says. IoError for a type that cannot be read, more than six
  // dimensions, 2^48 elements or more.
  Tensor read(const SafetensorsEntry& entry, const Device& device);

 private:
  InputFile file_;
  std::map<std::string, std::string> metadata_;
  std::vector<SafetensorsEntry> entries_;
  std::uint64_t data_ = 0;  // where the tensors' bytes begin
};

// The whole file.
SafetensorsFile read_safetensors(const std::filesystem::path& path, const Device& device);
// The metadata alone: what a file says of itself.
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

// Replaces the file atomically. Tensors keep their order, except that wider elements come first, as
// Python's writer has it: every tensor is then aligned to its elements. ValueError for two tensors
// of one name or the name __metadata__.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& content);

}  // namespace mec
