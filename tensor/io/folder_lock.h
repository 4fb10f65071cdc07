// One process at a time writes into a folder.
#pragma once

#include <filesystem>

namespace mec {

// Held until it goes, or the process ends, however it ends; leaves no file. Where a file system
// knows no locks, nothing is held.
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
