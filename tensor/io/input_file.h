// Reading a binary file front to back, with errors that name it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace mec {

static_assert(std::endian::native == std::endian::little, "the file formats here are little-endian, as is every host");

class InputFile {
 public:
  // IoError when there is no such file or it cannot be opened.
  explicit InputFile(const std::filesystem::path& path);

  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }
  std::uint64_t remaining() const { return size_ - position_; }
  // Reads exactly `bytes` bytes. IoError ("truncated") when the file ends before; `what` says what
  // was to be read.
  void read(void* to, std::uint64_t bytes, const char* what);
  // The same into a new vector, with capacity for `room` bytes or more. MemoryError where memory
  // does not suffice.
  std::vector<std::uint8_t> read(std::uint64_t bytes, const char* what, std::uint64_t room = 0);
  // Sets the next byte to be read, counted from the file's beginning.
  void seek(std::uint64_t position);

 private:
  std::string name_;
  std::ifstream stream_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
};

// The whole file.
std::vector<std::uint8_t> read_file(const std::filesystem::path& path);

}  // namespace mec
