// Files for tests of formats: a folder that goes away again, whole-file writes, and every way to
// cut a file short.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "mec/tensor/error.h"

namespace mec::test {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mec-test-XXXXXX").string();
    check<IoError>(::mkdtemp(name.data()) != nullptr, "cannot make a folder in ", name);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Writes the first 0, 1, …, size − 1 bytes to `path`; reading must throw an mec::Error each time.
template <class Read> void check_every_truncation(const std::filesystem::path& path, std::string_view whole, Read read) {
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    write_bytes(path, whole.substr(0, length));
    CHECK_THROWS_AS(read(), Error);
  }
}

// Inverts each byte in turn. Reading may succeed or throw an mec::Error, but nothing else.
template <class Read> void check_every_damaged_byte(const std::filesystem::path& path, std::string_view whole, Read read) {
  for (std::size_t at = 0; at < whole.size(); ++at) {
    CAPTURE(at);
    std::string damaged(whole);
    damaged[at] = static_cast<char>(~damaged[at]);
    write_bytes(path, damaged);
    try {
      read();
    } catch (const Error&) {
    }
  }
}

}  // namespace mec::test
