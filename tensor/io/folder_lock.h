// One process at a time writes into a folder.
#pragma once

#include <filesystem>

namespace mec {

// The lock is held until this object is destroyed or the process ends, however it ends. It leaves
// no file. On a file system without locks, nothing is held.
class FolderLock {
 public:
  // IoError where another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

}  // namespace mec
