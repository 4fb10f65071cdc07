#include "mec/ssl/run/line_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "mec/tensor/error.h"

namespace mec {

namespace {

std::string cannot(const char* what, const std::filesystem::path& path) {
  return concat("cannot ", what, " ", path.string(), ": ", std::generic_category().message(errno));
}

}  // namespace

LineFile::LineFile(std::filesystem::path path, std::uintmax_t size, Kept kept)
    : path_(std::move(path)),
      fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)),
      kept_(kept),
      safe_size_(size) {
  check<IoError>(fd_ >= 0, cannot("write", path_));
  if (::ftruncate(fd_, static_cast<off_t>(size)) == 0) return;
  const std::string reason = cannot("cut off", path_);
  ::close(fd_);
  throw IoError(reason);
}

LineFile::~LineFile() { ::close(fd_); }

std::string LineFile::append(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  waiting_ += bytes;
  return write_waiting();
}

// Call with the mutex held.
std::string LineFile::write_waiting() {
  while (!waiting_.empty()) {
    const ssize_t written = ::write(fd_, waiting_.data(), waiting_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot("write", path_);
    // A part of it, on a disk that is nearly full.
    if (kept_ == Kept::until_safe) unsafe_.append(waiting_, 0, static_cast<std::size_t>(written));
    waiting_.erase(0, static_cast<std::size_t>(written));
  }
  return "";
}

std::size_t LineFile::in_memory() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + unsafe_.size();
}

void LineFile::sync() {
  const std::lock_guard alone(one_sync_);
  std::size_t covered = 0;
  {
    const std::lock_guard lock(mutex_);
    const std::string failure = write_waiting();
    check<IoError>(failure.empty(), failure);
    covered = unsafe_.size();
  }
  const bool safe = ::fsync(fd_) == 0;
  const std::string failure = safe ? "" : cannot("write", path_);
  const std::lock_guard lock(mutex_);
  if (safe) {
    safe_size_ += covered;
    unsafe_.erase(0, covered);
    return;
  }
  // The system may have thrown away what it could not write, and reports that only once: write it
  // again.
  const bool cut = ::ftruncate(fd_, static_cast<off_t>(safe_size_)) == 0;
  check<IoError>(cut, cannot("cut off", path_));
  waiting_.insert(0, unsafe_);
  unsafe_.clear();
  static_cast<void>(write_waiting());
  throw IoError(failure);
}

}  // namespace mec
