// The element types of array and weights files (more than tensors have), and how they are read into
// tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mec/tensor/io/input_file.h"
#include "mec/tensor/tensor.h"

namespace mec {

enum class Element : std::uint8_t {
  boolean,
  i8,
  u8,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  f16,
  bf16,
  f32,
  f64
};

std::int64_t size_of(Element element);
// The dtype of the tensor that such values are read into: the same type, or the next that holds
// each of them exactly. f16 becomes f32; small integers and truth values become i32 (u8 stays what
// it is: pixels), u32 and u64 i64.
Dtype dtype_of(Element element);

// Sizes from a file as a shape, or an IoError that begins with `where`: too many of them, or too
// large for any file.
Shape to_shape(const std::vector<std::int64_t>& sizes, const std::string& where);

enum class ByteOrder { little, big };

// Reads the next shape.numel() elements of the file; errors call them `what`. IoError for a u64
// above i64's range, MemoryError where there is no memory for them.
Tensor read_elements(InputFile& file, Element element, ByteOrder order, const Shape& shape,
                     const std::string& what, const Device& device);

}  // namespace mec
