// NumPy's array files (numpy.lib.format, versions 1 to 3).
#pragma once

#include <filesystem>

#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/tensor.h"

namespace mec {

// f4, f8, u1, i4 and i8 become f32, f64, u8, i32 and i64; other floats, whole numbers and truth
// values become the next type that holds them exactly (dtype_of in elements.h). The file may have
// either byte order, and C or Fortran order; the tensor is in C order. IoError for complex numbers,
// strings, objects and records, more than six dimensions, a damaged or truncated file, and bytes
// after the array.
Tensor read_npy(const std::filesystem::path& path, const Device& device);

// Replaces the file atomically. bf16, which NumPy does not know, is written as f32.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);
// The same into a file that the caller commits, so that several appear together or not at all.
void write_npy(AtomicFile& file, const Tensor& tensor);

}  // namespace mec
