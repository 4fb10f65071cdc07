// Writing a file so that readers see the old content or the new, never a part of it.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string_view>

namespace mec {

// Writes go to a temporary file beside the target; commit() moves it into place in one step.
// Without commit() (an exception, a full disk) the target stays as it was and the temporary file is
// removed. A symbolic link stays, and what it leads to is replaced. The new file has the old one's
// mode, and its owner where the system allows that.
//
// A target that is not a regular file cannot be replaced, and is written directly: a device, a
// pipe, a descriptor of this process (/dev/stdout, /dev/fd/3).
class AtomicFile {
 public:
  // IoError when the folder is missing or cannot be written, or when the target is a folder or
  // write-protected.
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::filesystem::path& target() const { return target_; }
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Flushes to the disk and renames: after a power cut, too, the file is whole. IoError when either
  // fails.
  void commit();

 private:
  int open_target();                               // a target written directly, or -1
  int open_temporary();                            // beside the file to replace
  [[noreturn]] void fail(const char* what) const;  // from errno

  std::filesystem::path target_;     // as it was given
  std::filesystem::path replaced_;   // where its links lead
  std::filesystem::path temporary_;  // empty where nothing is replaced
  std::FILE* file_ = nullptr;
};

// The file has this content, or, where that is an IoError, what it had. As AtomicFile.
void replace_file(const std::filesystem::path& path, std::string_view content);

// Removes the temporary files of processes that were killed while they wrote the target. No other
// process may be writing it now.
void remove_leftovers(const std::filesystem::path& target);

// What was written to the file so far reaches the disk before this returns. IoError when it cannot.
void sync_file(const std::filesystem::path& path);

}  // namespace mec
