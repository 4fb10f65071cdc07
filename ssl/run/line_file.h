// A file that grows by whole lines or records, on a disk that may be full for a while.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>

namespace mec {

// What a file of lines has in memory: all that may not be on the disk yet, or what the system has
// not taken yet (of a file that can be made anew, and is never brought to the disk).
enum class Kept { until_safe, until_written };

// Lines that cannot be written stay in memory, and go into the file with a later one. So do lines
// that were written, and could not be brought to the disk.
class LineFile {
 public:
  // Cuts the file off after `size` bytes; makes it where it is missing. IoError when that fails.
  LineFile(std::filesystem::path path, std::uintmax_t size, Kept kept = Kept::until_safe);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  // Adds the line and its end. Returns why lines could not be written, or "".
  std::string add(const std::string& line) { return append(line + '\n'); }
  std::string append(const std::string& bytes);  // the same with bytes as they are
  // All lines added so far reach the disk before this returns; may run beside add() and itself.
  // IoError when they cannot. Not with Kept::until_written.
  void sync();
  std::size_t in_memory() const;  // bytes

 private:
  std::string write_waiting();

  const std::filesystem::path path_;
  const int fd_;
  const Kept kept_;
  std::mutex one_sync_;       // of two at once, both would count the same lines
  mutable std::mutex mutex_;  // guards all below, and the place in the file
  std::string waiting_;       // not in the file yet
  std::string unsafe_;        // in the file, but perhaps not on the disk
  std::uintmax_t safe_size_;
};

}  // namespace mec
