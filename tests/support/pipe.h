// A pipe with a name, for tests of what is written to one.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace mec::test {

// Open for reading from the start: no writer waits, and no reader where nothing is written.
class Pipe {
 public:
  explicit Pipe(const std::filesystem::path& path) {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    fd_ = ::open(path.c_str(), O_RDWR | O_NONBLOCK);
    REQUIRE(fd_ >= 0);
  }
  ~Pipe() { ::close(fd_); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  std::string received() const {  // up to now; a pipe holds 64 KiB
    std::string bytes(std::size_t{1} << 16, '\0');
    const ssize_t n = ::read(fd_, bytes.data(), bytes.size());
    bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return bytes;
  }

 private:
  int fd_ = -1;
};

}  // namespace mec::test
